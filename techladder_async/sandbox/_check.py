"""Checks of arguments, with messages that say what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable

Clock = Callable[[], float]
"""Gives the time in Unix seconds."""


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value`; `TypeError` unless it is an integer (a bool is none), `ValueError` outside of `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {allowed}, not {value}")
    return value


def seconds(name: str, value: object, *, zero: bool = True) -> float:
    """Return `value` as a float; it must be finite and at least zero, or above zero where `zero` is false."""
    number = _number(name, value)
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be a finite number of seconds {'from 0 on' if zero else 'above 0'}, not {value}")
    return number


def share(name: str, value: object) -> float:
    """Return `value` as a float; it must lie between 0 and 1."""
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")
    return number


def text(name: str, value: object) -> str:
    """Return `value`; it must be a string that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return float(value)
