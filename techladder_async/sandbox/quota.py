"""The rate limit: so many requests in fixed windows that begin at whole multiples of the window since 1970."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from ._check import Clock

_MINUTE = 60


@attrs.frozen
class Grant:
    """What the quota says of one request."""

    limit: int
    remaining: int
    reset: int
    """When the window ends, in Unix seconds, rounded up."""
    wait: int | None = None
    """Whole seconds to wait, rounded up, where the request is refused."""

    def headers(self) -> dict[str, str]:
        """Return the three headers that every response carries."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class Quota:
    """Counts the requests of each key in the current window. May be used from any thread."""

    def __init__(self, limit: int, window: float, clock: Clock) -> None:
        self.limit = limit
        self.window = window
        self._clock = clock
        self._current = math.nan
        self._spent: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def rule(self) -> str:
        """The rule in words: `Maximum 300 requests per minute`."""
        span = "minute" if self.window == _MINUTE else f"{self.window:.15g} seconds"
        return f"Maximum {self.limit} requests per {span}"

    def take(self, key: str) -> Grant:
        """Count one request of `key`."""
        now = self._clock()
        number = now // self.window
        with self._lock:
            if number != self._current:
                self._current = number
                self._spent.clear()
            spent = self._spent[key] = self._spent.get(key, 0) + 1
        end = (number + 1) * self.window
        wait = max(1, math.ceil(end - now)) if spent > self.limit else None
        return Grant(self.limit, max(0, self.limit - spent), math.ceil(end), wait)
