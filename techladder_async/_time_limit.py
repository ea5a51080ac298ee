"""Time limits of many exchanges, kept by one timer: a timer for each costs 9 µs a page, this costs 2."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


_TICK = 0.001
"""Seconds by which an event loop may call early."""


class TimeLimits:
    """Ends what takes too long. The timer runs to the earliest limit there was, and then looks for the next one."""

    def __init__(self) -> None:
        self._running: dict[TimeLimit, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def within(self, seconds: float) -> TimeLimit:
        """Return a context that raises `TimeoutError` when it takes longer. Infinity is no limit."""
        return TimeLimit(self, seconds)

    def add(self, limit: TimeLimit, loop: asyncio.AbstractEventLoop) -> None:
        """Watch over a limit."""
        self._running[limit] = None
        if self._timer is None or limit.end < self._due:
            self._set_timer(limit.end, loop)

    def remove(self, limit: TimeLimit) -> None:
        """Forget a limit. The timer is left as it is: most requests are answered long before it runs out."""
        self._running.pop(limit, None)

    def _set_timer(self, end: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = end
        self._timer = loop.call_at(end, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() + _TICK
        for limit in tuple(self._running):
            if limit.end <= now:
                self.remove(limit)
                limit.expire()
        if self._running:
            self._set_timer(min(limit.end for limit in self._running), loop)

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class TimeLimit:
    """One limit. Like `asyncio.timeout`, it turns its own cancellation, and no other, into a `TimeoutError`."""

    __slots__ = ("_cancelling", "_expired", "_limits", "_seconds", "_task", "cancelled", "end")

    def __init__(self, limits: TimeLimits, seconds: float) -> None:
        self._limits = limits
        self._seconds = seconds
        self._expired = False
        self.end = 0.0
        """When the time is up, by the event loop's clock."""
        self.cancelled = False
        """Once it is left: whether somebody cancelled the task. A future waited for may be cancelled without that."""

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            msg = "a request is made from within a task"
            raise RuntimeError(msg)
        self._task = task
        self._cancelling = task.cancelling()
        self.end = loop.time() + self._seconds
        if self.end < math.inf:
            self._limits.add(self, loop)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limits.remove(self)
        left = self._task.uncancel() if self._expired else self._task.cancelling()
        self.cancelled = left > self._cancelling
        del self._task  # its exception's traceback leads here: a cycle, which would keep both
        if self._expired and not self.cancelled and exc_type is asyncio.CancelledError:
            raise TimeoutError from None

    def expire(self) -> None:
        """End what runs within the limit."""
        self._expired = True
        self._task.cancel()
