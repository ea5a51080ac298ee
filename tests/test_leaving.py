"""Every way to leave a walk early: what is on its way ends at once, without the collector, on every event loop."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import attrs
import pytest
import pytest_asyncio

from techladder_async import APIConnectionError, AsyncTechLadder, CallBatch, Paginator, RetryPolicy
from tests.fault_server import FaultServer
from tests.faults import Received, Step, batch, page
from tests.loops import EVERY_LOOP, VirtualLoop
from tests.memory_api import MemoryApi

LOOPS = EVERY_LOOP
AHEAD = 3
TURNS = 4  # of the loop, from the moment of leaving until nothing is left


def first_page_only(request: Received) -> Step:
    """Answer page 1, and leave the pages after it without an answer."""
    answer = page([batch(1), batch(2)], 1, limit=2, total=20, has_more=True)
    return answer if request.query["page"] == "1" else (60.0,)


@attrs.define
class Scene:
    """A walk that has its first page, with three more on their way."""

    server: FaultServer
    client: AsyncTechLadder
    paginator: Paginator[CallBatch]
    complaints: list[dict[str, Any]]

    async def looks_ahead(self) -> None:
        """Wait until the server has the requests for later pages."""
        await self.server.received(1 + AHEAD)

    async def is_left(self, pool: int = 1) -> None:
        """Check that no task is left after some turns of the loop, no connection beyond the pool, and no complaint."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("techladder")] == []
        async with asyncio.timeout(1):
            while self.server.open_connections > pool:  # noqa: ASYNC110  the server has no event for it
                await asyncio.sleep(0.001)
        assert self.complaints == []


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Keep the collector from helping."""
    gc.disable()
    gc.freeze()  # what was there before is none of these tests' business, and slow to look through
    yield
    gc.enable()
    gc.collect()
    gc.unfreeze()


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    """Give a client and a server that answers one page."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with (
        FaultServer((first_page_only,), repeat_last=True) as server,
        AsyncTechLadder("sk_test", base_url=server.url, retry=RetryPolicy.none()) as client,
    ):
        yield Scene(server, client, client.call_batches.list(limit=2, prefetch=AHEAD), complaints)
    assert complaints == []


class MyError(Exception):
    """The caller's own."""


async def _by_break(scene: Scene) -> None:
    async for _batch in scene.paginator:
        await scene.looks_ahead()
        break


async def _by_break_at_once(scene: Scene) -> None:
    async for _batch in scene.paginator:
        break


async def _by_break_from_pages(scene: Scene) -> None:
    async for _page in scene.paginator.pages():
        await scene.looks_ahead()
        break


async def _by_return(scene: Scene) -> None:
    async def first() -> CallBatch | None:
        async for item in scene.paginator:
            await scene.looks_ahead()
            return item
        return None

    assert await first()


async def _by_an_exception(scene: Scene) -> None:
    try:
        async for _batch in scene.paginator:
            await scene.looks_ahead()
            raise MyError
    except MyError:
        pass


async def _by_aclose(scene: Scene) -> None:
    walk = aiter(scene.paginator)
    await anext(walk)
    await scene.looks_ahead()
    await walk.aclose()
    assert not any(task.get_name().startswith("techladder") for task in asyncio.all_tasks())
    assert [item async for item in walk] == []


async def _by_aclosing(scene: Scene) -> None:
    async with contextlib.aclosing(aiter(scene.paginator)) as walk:
        async for _batch in walk:
            await scene.looks_ahead()
            break
    assert not any(task.get_name().startswith("techladder") for task in asyncio.all_tasks())


async def _by_abandoning(scene: Scene) -> None:
    walk = aiter(scene.paginator)
    await anext(walk)
    await scene.looks_ahead()
    del walk


async def _cancelled(scene: Scene, walk_on: Callable[[], Awaitable[object]]) -> None:
    async def consume() -> None:
        async for _batch in scene.paginator:
            await walk_on()

    task = asyncio.create_task(consume())
    await scene.looks_ahead()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def _by_cancelling_the_body(scene: Scene) -> None:
    await _cancelled(scene, asyncio.Event().wait)


async def _by_cancelling_the_wait(scene: Scene) -> None:
    await _cancelled(scene, lambda: asyncio.sleep(0))


async def _by_a_timeout(scene: Scene) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.03):
            await scene.paginator.collect()


async def _by_a_failing_task_group(scene: Scene) -> None:
    async def consume() -> None:
        async for _batch in scene.paginator:
            pass

    async def fail() -> None:
        await scene.looks_ahead()
        raise MyError

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(consume())
            group.create_task(fail())
    assert not any(task.get_name().startswith("techladder") for task in asyncio.all_tasks())


async def _by_closing_the_client(scene: Scene) -> None:
    walk = aiter(scene.paginator)
    await anext(walk)
    await scene.looks_ahead()
    await scene.client.close()
    assert not any(task.get_name().startswith("techladder") for task in asyncio.all_tasks())
    await anext(walk)  # it is there already
    with pytest.raises(APIConnectionError, match="the client was closed") as caught:
        await anext(walk)
    assert caught.value.page == 2


async def _by_closing_the_client_in_the_body(scene: Scene) -> None:
    with contextlib.suppress(APIConnectionError):
        async for _batch in scene.paginator:
            await scene.looks_ahead()
            await scene.client.close()


async def _by_closing_the_client_under_a_wait(scene: Scene) -> None:
    task = asyncio.create_task(scene.paginator.collect())
    await scene.looks_ahead()
    await scene.client.close()
    with pytest.raises(APIConnectionError, match="the client was closed"):
        await task
    assert task.cancelling() == 0


WAYS = [value for name, value in globals().items() if name.startswith("_by_")]


@pytest.mark.asyncio
@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__.strip("_"))
async def test_leaving(scene: Scene, leave: Callable[[Scene], Awaitable[None]]) -> None:
    """However a walk is left, its later pages end at once, though its paginator lives on and no collector comes by."""
    await leave(scene)
    assert 1 <= scene.paginator.report.requests <= 2 + AHEAD
    await scene.is_left()


@pytest.mark.asyncio
async def test_a_failure_that_nobody_asks_for(scene: Scene) -> None:
    """Pages that failed ahead of the walk, and that it never came to, are no "exception was never retrieved"."""
    scene.server._last = (lambda request: page() if request.query["page"] != "1" else first_page_only(request),)
    async for _batch in scene.paginator:
        await scene.looks_ahead()
        await asyncio.sleep(0.02)
        break
    gc.collect()
    await scene.is_left(pool=AHEAD)


@pytest.mark.asyncio
async def test_leaving_one_of_two_walks(scene: Scene) -> None:
    """Leaving one walk of a paginator does nothing to the other."""
    other = aiter(scene.paginator)
    await anext(other)
    await scene.looks_ahead()
    async for _batch in scene.paginator:
        await scene.server.received(2 * (1 + AHEAD))
        break
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert sum(task.get_name().startswith("techladder") for task in asyncio.all_tasks()) == AHEAD
    await other.aclose()


@pytest.mark.asyncio
async def test_the_collector_in_another_thread(scene: Scene) -> None:
    """An iterator in a reference cycle, collected by another thread, lets go in its own loop."""
    cycle: list[Any] = [aiter(scene.paginator)]
    cycle.append(cycle)
    await anext(cycle[0])
    await scene.looks_ahead()
    del cycle
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()
    await asyncio.sleep(0.01)
    await scene.is_left()


@pytest.mark.parametrize("factory", EVERY_LOOP.values(), ids=EVERY_LOOP)
def test_an_iterator_that_outlives_its_loop(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """An iterator that is dropped or closed after its loop has ended does no harm."""

    async def begin(walk: AsyncIterator[CallBatch]) -> None:
        await anext(walk)

    for drop in (True, False):
        walk = aiter(MemoryApi(10, seconds=0).resource().list(limit=2, prefetch=3))
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(begin(walk))
        if not drop:
            asyncio.run(walk.aclose())
        del walk


def test_a_loop_that_was_closed_over_the_walk() -> None:
    """Even where a loop was closed with pages on their way, dropping the iterator raises nothing."""
    complaints: list[dict[str, Any]] = []
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    walk = aiter(MemoryApi(10).resource().list(limit=2, prefetch=3))
    loop.run_until_complete(walk.__anext__())
    pending = asyncio.all_tasks(loop)
    loop.close()
    del walk
    assert len(pending) == AHEAD
    pending.clear()
    gc.collect()
    # asyncio's own word on a loop that is closed over its tasks
    assert {context["message"] for context in complaints} == {"Task was destroyed but it is pending!"}
