"""Event loops for tests: those that the SDK is to work on, and one whose time costs nothing.

A test module names the loops its tests run on, each test on each: `LOOPS = EVERY_LOOP`.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Final

import uvloop

Loops = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
Events = list[tuple[selectors.SelectorKey, int]]


class _Jumping(selectors.SelectSelector):
    """Lets the loop's time pass at once in place of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None:
            raise RuntimeError("nothing will ever happen in this loop again")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which sleeping takes no time, though its clock moves on. It waits for no socket."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that have been slept so far."""
        return self._jumping.now


def _debug_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 10  # seconds: a slow machine is no finding
    return loop


PLAIN: Final[Loops] = {"asyncio": asyncio.new_event_loop}
EVERY_LOOP: Final[Loops] = {**PLAIN, "debug": _debug_loop, "uvloop": uvloop.new_event_loop}
VIRTUAL: Final[Loops] = {"virtual": VirtualLoop}
