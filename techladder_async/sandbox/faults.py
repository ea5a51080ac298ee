"""Trouble to order: what may go wrong with an answer, and for which requests."""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from . import _check

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen
class Fault:
    """Something to go wrong with one request. Made with the class methods, as in `Fault.status(503)`."""

    @classmethod
    def status(
        cls, status: int, *, headers: Mapping[str, str] | None = None, body: bytes | str | dict[str, Any] | None = None
    ) -> StatusFault:
        """Answer with this status (200 to 599) and with the documented envelope of an error.

        A `body` takes the envelope's place: a dict is sent as JSON; bytes and strings are sent as they are, as
        `application/json` unless `headers` say otherwise. `headers` win over those that the sandbox sets.
        """
        _check.integer("status", status, 200, 599)
        if body is not None and not isinstance(body, bytes | str | dict):
            raise TypeError(f"body must be bytes, a string or a dict, not {type(body).__name__}")
        raw = json.dumps(body) if isinstance(body, dict) else body
        return StatusFault(status, _header_pairs(headers or {}), raw.encode() if isinstance(raw, str) else raw)

    @classmethod
    def reset(cls) -> ResetFault:
        """Reset the connection (RST) without a byte of an answer."""
        return ResetFault()

    @classmethod
    def cut_body(cls, after: int = 100) -> CutFault:
        """Send the normal answer's headers and `after` bytes of its body, never all; then close the connection."""
        return CutFault(_check.integer("after", after, 0))

    @classmethod
    def delay(cls, seconds: float) -> DelayFault:
        """Wait before the normal answer."""
        return DelayFault(_check.seconds("seconds", seconds))

    @classmethod
    def drip(cls, pause: float = 0.01, *, size: int = 64) -> DripFault:
        """Send the normal answer's body in pieces of `size` bytes, with `pause` seconds before each."""
        return DripFault(_check.seconds("pause", pause), _check.integer("size", size, 1))


@attrs.frozen
class StatusFault(Fault):
    """See `Fault.status`."""

    code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@attrs.frozen
class ResetFault(Fault):
    """See `Fault.reset`."""


@attrs.frozen
class CutFault(Fault):
    """See `Fault.cut_body`."""

    after: int


@attrs.frozen
class DelayFault(Fault):
    """See `Fault.delay`."""

    seconds: float


@attrs.frozen
class DripFault(Fault):
    """See `Fault.drip`."""

    pause: float
    size: int


class Faults:
    """The faults that are ordered. May be used from any thread."""

    def __init__(self) -> None:
        self._next: deque[Fault] = deque()
        self._shares: list[tuple[Fault, float, random.Random]] = []
        self._lock = threading.Lock()

    def order(self, fault: Fault, times: int) -> None:
        """Spoil the next `times` requests, after those that are spoiled already."""
        _known(fault)
        with self._lock:
            self._next.extend([fault] * _check.integer("times", times, 1))

    def order_share(self, fault: Fault, share: float, seed: int) -> None:
        """Spoil a share (0 to 1) of the requests that no earlier order spoils."""
        _known(fault)
        draws = random.Random(f"fault/{seed}")  # noqa: S311  reproducible, not secret
        with self._lock:
            self._shares.append((fault, _check.share("share", share), draws))

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._next.clear()
            self._shares.clear()

    def take(self) -> Fault | None:
        """Return the fault for the request that has just arrived."""
        with self._lock:
            if self._next:
                return self._next.popleft()
            return next((fault for fault, share, draws in self._shares if draws.random() < share), None)


def _known(fault: Fault) -> None:
    if not isinstance(fault, StatusFault | ResetFault | CutFault | DelayFault | DripFault):
        raise TypeError(f"a fault is made with Fault.status, .reset, .cut_body, .delay or .drip, not {fault!r}")


def _header_pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"headers must map strings to strings, not {name!r} to {value!r}")
        if not name or any(sign in name + value for sign in "\r\n\0"):
            raise ValueError(f"header {name!r} is empty or holds a line break")
    return tuple(headers.items())
