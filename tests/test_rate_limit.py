"""`RateLimitMiddleware`: no request runs into a limit that could be known, and none waits longer than it must."""

import asyncio
import math
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from techladder_async import (
    RateLimitError,
    RateLimitMiddleware,
    Request,
    Response,
    RetryMiddleware,
    RetryPolicy,
)
from techladder_async._middleware import compose
from techladder_async._wire import Handler
from tests.clock import FakeClock
from tests.limiter import GET, Limiter, gate_of, says, together


@pytest.mark.asyncio
async def test_nothing_remains_until_the_reset() -> None:
    """When nothing remains, the next request is sent after the reset, and not before."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=2)
    send = compose([gate_of(clock)], limiter)
    for _ in range(5):
        await send(GET)
    assert limiter.statuses == [200] * 5
    assert [moment // 60 - limiter.times[0] // 60 for moment in limiter.times] == [0, 0, 1, 1, 2]


@pytest.mark.asyncio
async def test_many_callers_share_what_remains() -> None:
    """Requests in flight count against what remains, however many callers come at once."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=30, latencies=[0.3, 0.1, 0.7])
    send = compose([gate_of(clock)], limiter)
    await send(GET)
    await together(lambda: send(GET), 200)
    assert set(limiter.statuses) == {200}
    windows = [moment // 60 for moment in limiter.times]
    assert max(windows) - min(windows) == 6


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(min_value=1, max_value=12),
    callers=st.integers(min_value=1, max_value=8),
    latencies=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=9),
    start=st.floats(min_value=0, max_value=60),
)
def test_no_order_of_answers_leads_to_a_429(limit: int, callers: int, latencies: list[float], start: float) -> None:
    """Whatever the delays, the order of the answers and the moment of the start, no second request is refused."""
    clock = FakeClock(time=4_000_000_000.0 + start)
    limiter = Limiter(clock, limit, 10.0, latencies)
    send = compose([gate_of(clock)], limiter)

    async def caller() -> None:
        for _ in range(10):
            await send(GET)

    async def main() -> None:
        await send(GET)
        await together(caller, callers)

    asyncio.run(main())
    assert limiter.statuses == [200] * (1 + 10 * callers)


@pytest.mark.asyncio
async def test_a_429_pauses_everybody_once() -> None:
    """Many 429s that come together hold all callers until one moment, and nobody is sent before it."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=10, latencies=[0.01])
    gate = gate_of(clock)
    retry = RetryMiddleware(clock=clock.monotonic, now=clock.time, sleep=clock.sleep, draw=lambda: 1.0)
    send = compose([retry, gate], limiter)
    started = clock.time()
    await together(lambda: send(GET), 15)
    assert limiter.statuses.count(429) == 5
    assert all(moment < started + 1 or moment >= (started // 60 + 1) * 60 for moment in limiter.times)
    assert len(limiter.times) == 20


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("refusals", "late", "held"),
    [
        ([{"reset": 30}], {"remaining": 5, "reset": 30}, 30),
        ([{"retry_after": 50, "reset": 30}], {"remaining": 5, "reset": 30}, 50),
        ([{"retry_after": 50}], {"remaining": 5, "reset": 30}, 50),
        ([{"retry_after": 40}, {"retry_after": 5}], {}, 40),
        ([{"retry_after": 5}, {"retry_after": 40}], {}, 40),
        ([{"reset": 60}], {"remaining": 0, "reset": 30}, 60),
    ],
)
async def test_a_pause_is_not_cut_short(refusals: list[dict[str, int]], late: dict[str, int], held: float) -> None:
    """Neither another 429 nor an answer from before, come in after a 429, lets anybody go on before it said."""
    clock = FakeClock()
    now = int(clock.time())
    gate = gate_of(clock)
    release = asyncio.Event()

    def told(status: int, values: dict[str, int]) -> Handler:
        return says(status, **{name: value + now * (name == "reset") for name, value in values.items()}, limit=10)

    async def slow(request: Request) -> Response:
        await release.wait()
        return await told(200, late)(request)

    async def refused(request: Request) -> Response:
        await asyncio.sleep(0)
        return await told(429, refusals[order.pop(0)])(request)

    order = list(range(len(refusals)))
    waiting = asyncio.create_task(gate(GET, slow))
    await asyncio.gather(*(gate(GET, refused) for _ in refusals))
    release.set()
    await waiting
    await gate(GET, says())
    assert held <= clock.time() - now <= held + 0.25


@pytest.mark.asyncio
async def test_a_late_answer_of_the_window_before_is_ignored() -> None:
    """What an answer says of a window that is over by the server's count changes nothing."""
    clock = FakeClock()
    now = int(clock.time())
    gate = gate_of(clock)
    await gate(GET, says(remaining=7, reset=now + 60, limit=9))
    await gate(GET, says(remaining=0, reset=now + 1, limit=9))
    await gate(GET, says(remaining=7, reset=now + 60, limit=9))
    assert clock.slept == []


@pytest.mark.asyncio
async def test_who_is_in_flight_at_the_reset_counts_in_the_new_window() -> None:
    """After the reset, as many may go as the limit says, less those that may still arrive."""
    clock = FakeClock()
    gate = gate_of(clock)
    reset = int(clock.time()) + 10
    await gate(GET, says(remaining=3, reset=reset, limit=3))
    never = asyncio.Event()

    async def slow(_: Request) -> Response:
        await never.wait()
        return await says()(GET)

    calls = [asyncio.create_task(gate(GET, slow)) for _ in range(3)]
    await asyncio.sleep(0)
    clock.advance(11)
    calls += [asyncio.create_task(gate(GET, slow)) for _ in range(3)]
    await asyncio.sleep(0)
    assert gate._in_flight == 3
    never.set()
    await asyncio.wait(calls)


@pytest.mark.asyncio
async def test_a_server_clock_that_is_set_back_is_followed() -> None:
    """When the server's clock is put right by minutes, resets are measured by the new time."""
    clock = FakeClock()
    gate = gate_of(clock)
    ahead = clock.time() + 600
    await gate(GET, says(Date=formatdate(ahead, usegmt=True)))
    now = int(clock.time())
    await gate(GET, says(Date=formatdate(now, usegmt=True), remaining=0, reset=now + 30, limit=9))
    await gate(GET, says())
    assert 30 <= sum(clock.slept) < 31


@pytest.mark.asyncio
async def test_the_release_is_spread() -> None:
    """Those who waited together go on one after another, within a quarter of a second."""
    clock = FakeClock()
    draws = iter([number / 50 for number in range(50)])
    limiter = Limiter(clock, limit=100)
    send = compose([gate_of(clock, draw=lambda: next(draws))], limiter)
    await together(lambda: send(GET), 100)
    await together(lambda: send(GET), 50)
    later = limiter.times[100:]
    assert len(set(later)) == 50
    assert 0.2 < max(later) - min(later) <= 0.25


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reset", ["{now}", "{past}", "{absurd}", "{milliseconds}", "soon", "", "-1", "nan", "inf", "1e10", "\u0661"]
)
@pytest.mark.parametrize("status", [200, 429])
async def test_a_reset_that_makes_no_sense_is_ignored(reset: str, status: int) -> None:
    """A reset that is past, unreadable or more than an hour ahead holds nobody."""
    clock = FakeClock()
    now = int(clock.time())
    text = reset.format(now=now, past=now - 10, absurd=now + 3601, milliseconds=now * 1000)
    gate = gate_of(clock)
    for _ in range(3):
        await gate(GET, says(status, remaining=0, reset=text, limit=300))
    assert clock.slept == []


@pytest.mark.asyncio
@pytest.mark.parametrize("remaining", ["many", "", "1.5", "9" * 20])
async def test_a_count_that_makes_no_sense_is_ignored(remaining: str) -> None:
    """What remains is a whole number, or nothing is known of it."""
    clock = FakeClock()
    gate = gate_of(clock)
    for _ in range(3):
        await gate(GET, says(remaining=remaining, reset=int(clock.time()) + 9, limit=300))
    assert clock.slept == []


@pytest.mark.asyncio
async def test_a_reset_beyond_max_wait_is_an_error_at_once() -> None:
    """Where the wait would be longer than `max_wait`, nobody waits: the error says how long it would be."""
    clock = FakeClock()
    gate = gate_of(clock, max_wait=20)
    await gate(GET, says(remaining=0, reset=int(clock.time()) + 21))
    with pytest.raises(RateLimitError, match="another 21 s") as caught:
        await gate(GET, says())
    assert caught.value.retry_after == 21
    assert caught.value.status_code == 429
    assert clock.slept == []
    clock.advance(1.5)
    assert (await gate(GET, says())).status == 200


@pytest.mark.asyncio
async def test_a_reset_beyond_the_deadline_is_an_error_at_once() -> None:
    """A request whose time is up before the reset does not wait for it."""
    clock = FakeClock()
    policy = RetryPolicy(max_elapsed=20)
    retry = RetryMiddleware(policy, clock=clock.monotonic, now=clock.time, sleep=clock.sleep)
    send = compose([retry, gate_of(clock)], says(remaining=0, reset=int(clock.time()) + 21))
    await send(GET)
    with pytest.raises(RateLimitError) as caught:
        await send(GET)
    assert caught.value.retry_after == 21
    assert caught.value.attempts == 0
    assert clock.slept == []


@pytest.mark.asyncio
@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_a_wrong_clock_here_does_no_harm(skew: float) -> None:
    """The reset is measured by the server's own clock, as its `Date` tells it."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=1)
    send = compose([gate_of(clock, now=lambda: clock.time() + skew)], limiter)
    for _ in range(3):
        await send(GET)
    assert limiter.statuses == [200] * 3
    assert sum(clock.slept) < 121


@pytest.mark.asyncio
async def test_cancelling_at_the_gate_is_prompt() -> None:
    """Whoever is cancelled at the gate leaves at once, nothing is sent, and the others are not held up."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=1)
    forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gate = gate_of(clock, sleep=lambda _: forever)
    send = compose([gate], limiter)
    await send(GET)
    waiting = asyncio.create_task(send(GET))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=0.1)
    assert waiting.cancelled()
    assert len(limiter.times) == 1
    clock.advance(61)
    await send(GET)
    assert limiter.statuses == [200, 200]


@pytest.mark.asyncio
async def test_a_request_that_fails_lets_the_next_one_look() -> None:
    """Who waits for an answer in flight looks again when that one fails, and waits for the reset."""
    clock = FakeClock()
    limiter = Limiter(clock, limit=2)
    gate = gate_of(clock)
    await gate(GET, limiter)
    breaking = asyncio.Event()

    async def breaks(_: Request) -> Response:
        await breaking.wait()
        raise OSError("gone")

    failing = asyncio.create_task(gate(GET, breaks))
    waiting = asyncio.create_task(gate(GET, limiter))
    await asyncio.sleep(0)
    assert clock.slept == []
    breaking.set()
    assert (await waiting).status == 200
    assert isinstance((await asyncio.gather(failing, return_exceptions=True))[0], OSError)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(-1, ValueError), (math.nan, TypeError), (math.inf, TypeError), (True, TypeError), ("65", TypeError)],
)
def test_a_max_wait_that_makes_no_sense(value: Any, kind: type[Exception]) -> None:
    """`max_wait` is a finite number of seconds from zero on."""
    with pytest.raises(kind, match="max_wait"):
        RateLimitMiddleware(value)
