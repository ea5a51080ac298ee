"""Looking ahead: order, speed, bounds and errors of a walk, in a loop whose time costs nothing."""

import asyncio
import weakref
from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from techladder_async import (
    CallBatch,
    NotFoundError,
    Page,
    PaginationError,
    RateLimitMiddleware,
    Request,
    RetryMiddleware,
    RetryPolicy,
    ServerError,
)
from techladder_async._pagination import Bounds, Paginator
from techladder_async._walk import Listing
from tests.faults import Answer, batch, error, page
from tests.loops import VIRTUAL, VirtualLoop
from tests.memory_api import MemoryApi, drain, ids, walked

LOOPS = VIRTUAL


def now() -> float:
    """Give the loop's time."""
    return asyncio.get_running_loop().time()


@pytest.mark.asyncio
@pytest.mark.parametrize(("prefetch", "share"), [(0, 1.0), (1, 0.55), (7, 0.18)])
async def test_speed(prefetch: int, share: float) -> None:
    """50 pages of 50 ms each take at most this share of the time that they take one after the other."""
    api = MemoryApi(100, seconds=0.05)
    assert await walked(api.resource().list(limit=2, prefetch=prefetch)) == list(range(100))
    assert 50 * 0.05 * share >= now()
    assert len(api.requests) == 50


@pytest.mark.asyncio
async def test_the_callers_work_is_the_servers_time() -> None:
    """With the default, the next page comes while the caller works: both together take the time of the slower."""
    api = MemoryApi(20, seconds=1.0)
    async for _page in api.resource().list(limit=2).pages():
        await asyncio.sleep(1.0)
    assert now() == pytest.approx(11.0)


class Item:
    """Something whose life can be watched."""

    def __init__(self, key: int) -> None:
        self.key = str(key)


def keys(items: Sequence[Item]) -> list[str]:
    """Tell the items apart."""
    return [item.key for item in items]


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("work", [0.0, 0.02, 5.0])
async def test_bounds(prefetch: int, work: float) -> None:
    """At most n + 1 pages are in memory and n + 1 requests under way, whether the caller is fast or slow."""
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = in_flight = most_in_flight = 0

    async def fetch(number: int, size: int | None) -> Page[Item]:
        nonlocal in_flight, most_in_flight
        in_flight += 1
        most_in_flight = max(most_in_flight, in_flight)
        await asyncio.sleep(0.05)
        in_flight -= 1
        items = (Item(2 * number), Item(2 * number + 1))
        alive.update(items)
        return Page(items, 60, number, 2, has_more=number < 30)

    paginator = Paginator(Listing(fetch, lambda *_: None, keys), Bounds(limit=2, prefetch=prefetch))
    async for _item in paginator:
        await asyncio.sleep(work)
        most = max(most, len(alive))
    assert most_in_flight == prefetch + 1 if work < 0.05 else most_in_flight == max(1, prefetch)
    assert most <= 2 * (prefetch + 1) + 1  # the item that the caller has in hand may be the last of its page


@given(
    size=st.integers(0, 60),
    limit=st.integers(1, 20),
    prefetch=st.integers(0, 6),
    times=st.lists(st.integers(0, 9), min_size=1),
    page=st.integers(1, 3),
    max_items=st.none() | st.integers(1, 70),
    total=st.none() | st.integers(-5, 200),
)
def test_order(
    *, size: int, limit: int, prefetch: int, times: list[int], page: int, max_items: int | None, total: int | None
) -> None:
    """However long each page takes and whatever total says, items come in order, and no page too many is asked for."""

    async def main() -> None:
        async def late(number: int) -> None:
            await asyncio.sleep(times[number % len(times)])

        api = MemoryApi(size, spoil=late, **({} if total is None else {"total": total}))
        paginator = api.resource().list(limit=limit, prefetch=prefetch, page=page, max_items=max_items)
        expected = list(range((page - 1) * limit, size))[:max_items]
        assert await walked(paginator) == expected
        needed = max(1, -(-len(expected) // limit))
        assert sorted(page or 0 for page in api.pages)[:needed] == list(range(page, page + needed))
        if total is None:
            assert len(api.pages) == needed
        if max_items is not None:
            assert len(api.pages) <= -(-max_items // limit)
        assert len(api.pages) <= needed + prefetch
        assert paginator.report.requests == len(api.pages)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


@pytest.mark.asyncio
async def test_an_error_comes_in_its_turn() -> None:
    """Page 3 fails at once, page 2 takes longer: it is delivered before the error, and the rest is given up."""

    async def spoil(number: int) -> Answer | None:
        await asyncio.sleep(number == 2)
        await asyncio.sleep(100 * (number > 3))
        return error(500) if number == 3 else None

    api = MemoryApi(20, spoil=spoil)
    seen: list[CallBatch] = []
    walk = aiter(api.resource().list(limit=2, prefetch=3))
    with pytest.raises(ServerError, match="page=3") as caught:
        await drain(walk, seen)
    assert ids(seen) == [0, 1, 2, 3]
    assert caught.value.page == 3
    assert caught.value.__notes__ == ["the walk stopped at page 3: list(..., limit=2, page=3) goes on from there"]
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert set(api.given_up) >= {4, 5}
    with pytest.raises(RuntimeError, match="has failed"):
        await anext(walk)
    requests = len(api.requests)
    await asyncio.sleep(1000)
    assert len(api.requests) == requests


@pytest.mark.asyncio
async def test_a_retried_page_keeps_its_place() -> None:
    """Page 3 is tried three times while 4 and 5 are there already: nothing is dropped or out of order."""
    failures = iter([error(503), error(502)])

    async def spoil(number: int) -> Answer | None:
        return next(failures, None) if number == 3 else None

    api = MemoryApi(20, spoil=spoil)
    retry = RetryMiddleware(RetryPolicy(), clock=now, draw=lambda: 1.0)
    paginator = api.resource(retry).list(limit=2, prefetch=3)
    assert await walked(paginator) == list(range(20))
    assert api.pages.count(3) == 3
    assert paginator.report.requests == 10


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [1, 7])
async def test_looking_ahead_causes_no_429(prefetch: int) -> None:
    """Two walks that look ahead share a limit of 10 requests in 10 seconds, and never meet a 429."""
    left, reset = 10, 10

    class Limited(MemoryApi):
        def answer(self, request: Request) -> Answer:
            nonlocal left, reset
            if now() >= reset:
                left, reset = 10, int(now() // 10 + 1) * 10
            left -= 1
            assert left >= 0, "a 429"
            limits = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(reset)}
            return evolve(super().answer(request), headers=limits)

    api = Limited(100)
    gate = RateLimitMiddleware(clock=now, now=now)
    lists = api.resource(gate).list
    await lists(limit=1)
    both = await asyncio.gather(*(walked(lists(limit=5, prefetch=prefetch)) for _ in range(2)))
    assert both == [list(range(100))] * 2
    assert len(api.requests) == 41


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [-7, 0, 3, 11, 12, 10**15])
async def test_has_more_decides(total: int) -> None:
    """A total that lies loses nothing; what is asked for beyond the end is at most what was looked ahead for."""
    api = MemoryApi(11, total=total)
    paginator = api.resource().list(limit=2, prefetch=3)
    assert await walked(paginator) == list(range(11))
    assert max(page or 0 for page in api.pages) <= (9 if total > 12 else 6)
    assert paginator.report.total == total


@pytest.mark.asyncio
async def test_nothing_ahead_that_total_does_not_show() -> None:
    """A page that total does not show waits for the caller to come for it, though has_more says that there is one."""
    api = MemoryApi(11, total=2)
    walk = aiter(api.resource().list(limit=2, prefetch=3))
    await anext(walk)
    await asyncio.sleep(1)
    assert api.pages == [1]
    assert len([item async for item in walk]) == 10


@pytest.mark.asyncio
async def test_a_limit_lowered_on_the_way() -> None:
    """When the server lowers the limit, what was looked ahead for in the old size is given up at once, and counted."""

    async def spoil(number: int) -> Answer | None:
        if number == 12:
            return error(500)
        limit = 4 if now() < 0.06 else 2
        if number in {3, 4, 5} and api.requests[-1].params["limit"] == "4":
            await asyncio.sleep(1000)
        return page(
            map(batch, range((number - 1) * limit, number * limit)), number, total=40, limit=limit, has_more=True
        )

    api = MemoryApi(40, spoil=spoil)
    paginator = api.resource().list(limit=4, prefetch=3)
    seen: list[CallBatch] = []
    with pytest.raises(ServerError) as caught:
        await drain(aiter(paginator), seen)
    assert ids(seen) == list(range(22))
    assert caught.value.__notes__ == ["the walk stopped at page 12: list(..., limit=2, page=12) goes on from there"]
    assert {request.params["limit"] for request in api.requests[5:]} == {"2"}
    assert api.given_up[:3] == [3, 4, 5]
    assert api.most_in_flight == 4
    assert paginator.report.requests == len(api.requests)


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("status", [404, 422])
async def test_past_the_end(status: int, prefetch: int) -> None:
    """A listing that shrank by a page or more under the walk ends it, without an error."""

    async def spoil(number: int) -> Answer | None:
        return error(status) if number > 3 else None

    api = MemoryApi(20, spoil=spoil)
    paginator = api.resource().list(limit=2, prefetch=prefetch)
    assert await walked(paginator) == list(range(6))
    assert paginator.report.pages == 3
    assert paginator.report.requests == len(api.requests)


@pytest.mark.asyncio
async def test_a_refusal_long_before_the_end() -> None:
    """A 404 where total shows more than ten further pages is an error: the rest would be lost without a word."""

    async def spoil(number: int) -> Answer | None:
        return error(404) if number == 2 else None

    api = MemoryApi(200, spoil=spoil)
    with pytest.raises(NotFoundError) as caught:
        await walked(api.resource().list(limit=2))
    assert caught.value.page == 2


# --- one iterator ---


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 2])
async def test_one_iterator_two_tasks(prefetch: int) -> None:
    """A second task that asks the same iterator meanwhile, or closes it, gets a `RuntimeError`; the first goes on."""
    walk = aiter(MemoryApi(6).resource().list(limit=2, prefetch=prefetch))
    first = asyncio.create_task(anext(walk))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task"):
        await anext(walk)
    with pytest.raises(RuntimeError, match="another task"):
        await walk.aclose()
    assert [await first, *[item async for item in walk]] == await MemoryApi(6).resource().list(limit=6).collect()


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 2])
async def test_after_a_timeout(prefetch: int) -> None:
    """A walk whose step was cancelled says so when it is asked again: it does not end as if it were complete."""
    api = MemoryApi(20)
    walk = aiter(api.resource().list(limit=1, prefetch=prefetch))
    await anext(walk)
    api.seconds = 10
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(drain(walk, []), 1)
    assert api.in_flight == 0
    for _ in range(2):
        with pytest.raises(RuntimeError, match="was cancelled"):
            await anext(walk)
    await walk.aclose()


@pytest.mark.asyncio
async def test_after_the_end() -> None:
    """A walk at its end stays there, and one that was closed early is at its end."""
    lists = MemoryApi(4).resource().list
    walk = aiter(lists(limit=2))
    assert len([item async for item in walk]) == 4
    early = aiter(lists(limit=2))
    await anext(early)
    await early.aclose()
    await early.aclose()
    unused = lists().pages()
    await unused.aclose()
    for ended in (walk, early, unused):
        assert [item async for item in ended] == []


@pytest.mark.asyncio
async def test_a_broken_page_in_a_walk() -> None:
    """A `PaginationError` of a walk tells the request that was answered badly."""
    api = MemoryApi(20, items=())
    with pytest.raises(PaginationError, match=r"empty.*\[GET http://127.0.0.1:9/.*limit=2&page=1\]") as caught:
        await walked(api.resource().list(limit=2))
    assert (caught.value.method, caught.value.page) == ("GET", 1)
