"""Whole walks against the sandbox's rate limit: the sandbox and the gate live by one clock, which stands still."""

import math
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import attrs
import pytest

from techladder_async import AsyncTechLadder, Request, Response
from techladder_async._wire import Handler
from techladder_async.sandbox import Sandbox
from tests.clock import FakeClock
from tests.limiter import gate_of, together


def dated(clock: FakeClock) -> Callable[[Request, Handler], Awaitable[Response]]:
    """Give a middleware that puts the clock of the test into the `Date` of each answer."""

    async def middleware(request: Request, handler: Handler) -> Response:
        response = await handler(request)
        date = formatdate(math.floor(clock.time()), usegmt=True)
        return attrs.evolve(response, headers={**response.headers, "Date": date})

    return middleware


async def walk_time(pages: int, limit: int, walks: int = 1, prefetch: int = 1, offset: float = 0.37) -> float:
    """Walk against the limit with an own gate; return how much longer it took than necessary, as a share."""
    # The client's own gate ignores resets of that clock, which is decades ahead of the sandbox's `Date`.
    clock = FakeClock(time=4_000_000_020.0 + offset)
    chain = (gate_of(clock), dated(clock))
    async with (
        Sandbox(pages, rate_limit=limit, rate_window=60, clock=clock.time) as sandbox,
        AsyncTechLadder(sandbox.api_key, base_url=sandbox.url, middlewares=chain) as client,
    ):
        await client.call_batches.list()
        started = clock.time()
        await together(lambda: client.call_batches.list(limit=1, prefetch=prefetch).collect(), walks)
        assert {request.status for request in sandbox.requests} == {200}
        assert len(sandbox.requests) == pages * walks + 1
    necessary = (started // 60 + (pages * walks) // limit) * 60 - started
    return (clock.time() - started) / necessary - 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("walks", "prefetch"), [(1, 1), (1, 7), (5, 1)])
async def test_the_documented_limit(walks: int, prefetch: int) -> None:
    """Walks of 1,500 requests against 300 a minute meet no 429, and take at most a tenth longer than they must."""
    assert 0 <= await walk_time(1500 // walks, 300, walks, prefetch) < 0.1


@pytest.mark.asyncio
@pytest.mark.parametrize(("walks", "prefetch"), [(1, 0), (3, 1), (2, 7), (10, 3)])
async def test_walks_take_hardly_longer_than_the_limiter_makes_them(walks: int, prefetch: int) -> None:
    """Walks of 300 requests against 60 a minute meet no 429, and take at most a tenth longer than they must."""
    assert 0 <= await walk_time(300 // walks, 60, walks, prefetch) < 0.1
