"""A clock that stands still until somebody sleeps: for everything that takes its clock and its sleep as arguments."""

import asyncio
import itertools


class FakeClock:
    """`monotonic`, `time` and `sleep` for a test, all of one clock; sleeping moves it on and takes no time.

    Several tasks may sleep together: they wake in the order of their moments. Each sleep lets all other tasks run at
    least once. `slept` lists the sleeps in the order in which they began.
    """

    def __init__(self, time: float = 4_000_000_000.0, monotonic: float = 1000.0) -> None:
        self._now = 0.0
        self._time = time
        self._monotonic = monotonic
        self._sleepers: set[tuple[float, int]] = set()
        self._numbers = itertools.count()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return what `time.monotonic` would: seconds since a moment that means nothing."""
        return self._monotonic + self._now

    def time(self) -> float:
        """Return what `time.time` would: Unix seconds."""
        return self._time + self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds of this clock."""
        self.slept.append(seconds)
        sleeper = (self._now + seconds, next(self._numbers))
        self._sleepers.add(sleeper)
        try:
            await asyncio.sleep(0)
            while sleeper != min(self._sleepers):  # noqa: ASYNC110  the others move the clock, no event does
                await asyncio.sleep(0)
        finally:
            self._sleepers.remove(sleeper)
        self._now = max(self._now, sleeper[0])
