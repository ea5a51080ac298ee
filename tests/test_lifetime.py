"""When a client may be used, and how closing it ends what is under way."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from techladder_async import APIConnectionError, AsyncTechLadder, Request, Response, RetryPolicy
from techladder_async._lifetime import Lifetime
from techladder_async.sandbox import Sandbox
from tests.fault_server import FaultServer
from tests.faults import OK, Step, batch, delay, error, hang, page
from tests.loops import EVERY_LOOP

LOOPS = EVERY_LOOP


def client_of(server: FaultServer, retry: RetryPolicy | None = None) -> AsyncTechLadder:
    """Make a client of the server."""
    return AsyncTechLadder("sk_test", base_url=server.url, retry=retry)


def list_in_the_background(client: AsyncTechLadder) -> "asyncio.Task[object]":
    """Ask for one page in a task of its own."""

    async def ask() -> object:
        return await client.call_batches.list()

    return asyncio.create_task(ask())


@pytest.mark.asyncio
async def test_use_after_close(client: AsyncTechLadder) -> None:
    """Every use of a closed client says so, and closing it again does no harm."""
    await client.call_batches.list(limit=1)
    walk = aiter(client.call_batches.list(limit=1))
    await client.close()
    await client.close()
    assert client.closed
    uses: list[Callable[[], Awaitable[object]]] = [
        client.call_batches.list().collect,
        client.call_batches.list().first,
        client.__aenter__,
        lambda: anext(walk),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="this client is closed"):
            await use()


@pytest.mark.asyncio
async def test_closing_twice_at_once(client: AsyncTechLadder) -> None:
    """Two tasks may close at the same time."""
    await client.call_batches.list(limit=1)
    await asyncio.gather(client.close(), client.close())


def test_the_event_loop() -> None:
    """A client may be made outside a loop and belongs to its first one; in another it says so, derived or not."""

    async def use(client: AsyncTechLadder, sandbox: Sandbox | None) -> None:
        await client.call_batches.list(limit=1)

    with Sandbox(3) as sandbox:
        client = AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)
        other = AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)
        with asyncio.Runner() as first, asyncio.Runner() as second:
            first.run(use(client, sandbox))
            first.run(use(client.with_options(timeout=5), sandbox))
            for stranger in (client, client.with_options(timeout=5)):
                with pytest.raises(RuntimeError, match="belongs to another event loop"):
                    second.run(use(stranger, sandbox))
            second.run(use(other.with_options(timeout=5), sandbox))
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                first.run(use(other, sandbox))
            first.run(client.close())
            second.run(other.close())
            with pytest.raises(RuntimeError, match="is closed"):
                second.run(use(client, sandbox))


def test_closing_after_the_loop() -> None:
    """A client whose loop has ended can still be closed; that its sockets were left to the collector is no secret."""

    async def use(client: AsyncTechLadder) -> None:
        await client.call_batches.list(limit=1)

    with Sandbox(3) as sandbox:
        client = AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)
        asyncio.run(use(client))
        asyncio.run(client.close())
        assert client.closed
        del client
        with pytest.warns(ResourceWarning, match="unclosed"):
            gc.collect()


# --- closing while something is under way ---

SLOW = RetryPolicy(initial=60, maximum=60)
LIMITED = {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "Date": "Thu, 14 May 2026 10:00:00 GMT"}
NO_MORE = page(headers={**LIMITED, "X-RateLimit-Reset": "1778752830"})  # half a minute later


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ([delay(60)], 1),
        ([delay(60)], 5),
        ([(OK.head, 60.0)], 1),
        ([error(503)], 1),
        ([error(503)], 3),
    ],
    ids=["running", "running together", "in the body", "backing off", "backing off together"],
)
async def test_closing_ends_calls(script: list[Step], calls: int) -> None:
    """Calls that run or back off end at once, with an error that says that the client was closed."""
    async with FaultServer(*script, repeat_last=True) as server:
        client = client_of(server, RetryPolicy(initial=60, maximum=60, max_attempts=2))
        tasks = [list_in_the_background(client) for _ in range(calls)]
        await server.received(calls)
        await asyncio.sleep(0.02)
        async with asyncio.timeout(1):
            await client.close()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            assert type(result) is APIConnectionError
            assert "the client was closed while this request was under way" in str(result)
            assert result.page == 1
        assert [task.cancelling() for task in tasks] == [0] * calls
        await server.all_closed()


@pytest.mark.asyncio
async def test_closing_ends_waits_for_the_rate_limit() -> None:
    """Calls that wait for the gate end at once too."""
    async with FaultServer(NO_MORE) as server:
        client = client_of(server)
        await client.call_batches.list()
        task = list_in_the_background(client)
        await asyncio.sleep(0.02)
        assert not task.done()
        await client.close()
        with pytest.raises(APIConnectionError, match="the client was closed"):
            async with asyncio.timeout(1):
                await task
        assert len(server.requests) == 1


@pytest.mark.asyncio
async def test_closing_a_derived_client_ends_its_own_calls() -> None:
    """Closing a derived client ends its calls, and nobody else's."""
    answer = asyncio.Event()
    async with FaultServer((answer, *OK), repeat_last=True) as server, client_of(server) as client:
        derived = client.with_options()
        tasks = [list_in_the_background(client), list_in_the_background(derived)]
        await server.received(2)
        await derived.close()
        with pytest.raises(APIConnectionError, match="the client was closed"):
            await tasks[1]
        answer.set()
        await tasks[0]


@pytest.mark.asyncio
async def test_an_outer_cancellation_wins() -> None:
    """A task that is cancelled while its client closes is cancelled, and a call that is cancelled alone is too."""
    async with FaultServer(hang(), repeat_last=True) as server:
        client = client_of(server)
        both, alone = list_in_the_background(client), list_in_the_background(client)
        await server.received(2)
        alone.cancel()
        await asyncio.wait([alone])
        assert alone.cancelled()
        both.cancel()
        await client.close()
        await asyncio.wait([both])
        assert both.cancelled()


@pytest.mark.asyncio
async def test_an_outer_timeout_stays_one() -> None:
    """`asyncio.timeout` around a call stays a bare `TimeoutError`, and the client goes on working."""
    async with FaultServer(hang(), OK) as server, client_of(server) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.02):
                await client.call_batches.list()
        assert type(caught.value) is TimeoutError
        assert len(await client.call_batches.list()) == 1


@pytest.mark.asyncio
async def test_a_task_group() -> None:
    """In a task group, closing the client fails the calls as errors: the group reports them and is not stuck."""

    async def three(server: FaultServer, client: AsyncTechLadder) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(client.call_batches.list().collect())
            await server.received(3)
            await client.close()

    async with FaultServer(hang(), repeat_last=True) as server:
        with pytest.raises(ExceptionGroup) as caught:
            await three(server, client_of(server))
        assert caught.group_contains(APIConnectionError, match="the client was closed")


@pytest.mark.asyncio
async def test_a_call_within_a_call() -> None:
    """A middleware that asks its client again is ended once, with the same error."""

    async def curious(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        await plain.call_batches.list()
        return await handler(request)

    async with FaultServer(hang()) as server:
        plain = client_of(server)
        task = list_in_the_background(plain.with_options(middlewares=[curious]))
        await server.received(1)
        await plain.close()
        with pytest.raises(APIConnectionError, match="the client was closed"):
            await task
        assert task.cancelling() == 0


@pytest.mark.asyncio
async def test_a_call_that_does_not_let_itself_be_ended() -> None:
    """A middleware that swallows every cancellation does not hold up the closing, nor does it spoil its task."""
    release = asyncio.Event()

    async def stubborn(_request: Request, _handler: object) -> Response:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return Response(200, {}, OK.body)

    client = AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", middlewares=[stubborn])
    task = list_in_the_background(client)
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await client.close()
    release.set()
    assert len(await task) == 1  # type: ignore[arg-type]  # a page
    assert task.cancelling() == 0


@pytest.mark.asyncio
async def test_outside_a_task() -> None:
    """A call that is driven by no task says what is missing."""
    outcome: list[BaseException] = []

    def drive() -> None:
        try:
            with Lifetime().call():
                pass
        except RuntimeError as failure:
            outcome.append(failure)
        done.set()

    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(drive)
    await done.wait()
    assert "within a task" in str(outcome[0])


@pytest.mark.asyncio
async def test_closing_while_waiting_for_a_connection() -> None:
    """A call that waits for a free connection of the pool ends too, whether the client closes or its given session."""
    async with FaultServer(delay(60), repeat_last=True) as server:
        for closes_session in (False, True):
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
            client = AsyncTechLadder("sk_test", base_url=server.url, session=session, retry=RetryPolicy.none())
            tasks = [list_in_the_background(client) for _ in range(2)]
            await server.received(1 + closes_session)
            await (session.close() if closes_session else client.close())
            async with asyncio.timeout(1):
                results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, APIConnectionError) for result in results)
            assert closes_session or all("the client was closed" in str(result) for result in results)
            await session.close()


@pytest.mark.asyncio
async def test_what_is_left_of_a_walk() -> None:
    """When `close()` returns, no page of a walk is on its way any more, whoever owns the session."""
    first = page([batch(1)], limit=1, total=9, has_more=True)
    async with FaultServer(first, delay(60), repeat_last=True) as server, aiohttp.ClientSession() as session:
        client = AsyncTechLadder("sk_test", base_url=server.url, session=session)
        walk = aiter(client.call_batches.list(limit=1, prefetch=3))
        await anext(walk)
        await server.received(4)
        await client.close()
        assert not any(task.get_name().startswith("techladder") for task in asyncio.all_tasks())
