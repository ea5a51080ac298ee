"""Many time limits, one timer."""

import asyncio

import pytest

from techladder_async._time_limit import TimeLimits
from tests.loops import EVERY_LOOP

LOOPS = EVERY_LOOP


@pytest.mark.asyncio
async def test_the_shortest_limit_ends_first():
    """Each exchange ends when its own time is up, in whatever order they began."""
    limits, ended = TimeLimits(), []

    async def wait(seconds):
        with pytest.raises(TimeoutError), limits.within(seconds):
            await asyncio.Event().wait()
        ended.append(seconds)

    await asyncio.gather(wait(0.03), wait(0.01), wait(0.02), wait(0.01))
    assert ended == [0.01, 0.01, 0.02, 0.03]
    limits.stop()


@pytest.mark.asyncio
async def test_what_is_in_time_is_left_alone():
    """An exchange that ends in time goes on as if there had been no limit, however many have passed."""
    limits = TimeLimits()
    for _ in range(1000):
        with limits.within(0.05):
            await asyncio.sleep(0)
    await asyncio.sleep(0.06)
    assert not asyncio.current_task().cancelling()
    limits.stop()


@pytest.mark.asyncio
async def test_a_cancellation_stays_one():
    """Somebody else's cancellation is not taken for the end of the time, even where both come together."""
    limits, entered = TimeLimits(), []

    async def wait():
        entered.append(limits.within(30))
        with entered[-1]:
            await asyncio.Event().wait()

    for together in (False, True):
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        if together:
            entered[-1].expire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    limits.stop()


@pytest.mark.asyncio
async def test_one_timer():
    """Hundreds of exchanges under way share one timer, and it is gone when the limits are stopped."""
    limits, loop = TimeLimits(), asyncio.get_running_loop()
    timers = []
    call_at = loop.call_at

    def counted(*args, **kwargs):
        timers.append(args)
        return call_at(*args, **kwargs)

    class Loop:
        call_at = staticmethod(counted)
        time = staticmethod(loop.time)

    entered = [limits.within(30) for _ in range(300)]
    for limit in entered:
        limit.end = loop.time() + 30
        limits.add(limit, Loop())
    for limit in entered:
        limits.remove(limit)
    assert len(timers) == 1
    limits.stop()
    assert limits._timer is None
