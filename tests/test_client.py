"""`AsyncTechLadder`: settings, the chain of middlewares, a given session, and clients made of clients."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import pytest

from techladder_async import (
    APIConnectionError,
    AsyncTechLadder,
    CallBatch,
    ConfigurationError,
    Middleware,
    NotFoundError,
    PaginationError,
    Request,
    Response,
    RetryPolicy,
    ServerError,
)
from techladder_async.hooks import AttemptRecord
from techladder_async.sandbox import Fault, Sandbox
from tests.clients import client_for
from tests.fault_server import FaultServer, refused_url
from tests.faults import OK, batch, hang, page
from tests.memory_api import drain, ids

NO_WAIT = RetryPolicy(initial=0)


def tracer(log: list[str], name: str) -> Middleware:
    """Make a middleware that notes when it is entered and left."""

    async def trace(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        log.append(f">{name}")
        response = await handler(request)
        log.append(f"<{name}")
        return response

    return trace


@pytest.mark.parametrize(
    "settings",
    [
        {"retry": 3},
        {"retry": "none"},
        {"retry": RetryPolicy},
        {"middlewares": tracer([], "alone")},
        {"middlewares": "abc"},
        {"middlewares": [None]},
        {"middlewares": None},
        {"hooks": print},
        {"hooks": [1]},
        {"hooks": None},
        {"session": "session"},
        {"session": aiohttp.ClientSession},
        {"timeout": 0},
        {"timeout": True},
        {"timeout": float("nan")},
        {"max_response_bytes": 0},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    """A setting of the wrong type or value is a `ConfigurationError` when the client is made."""
    with pytest.raises(ConfigurationError):
        AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", **settings)


@pytest.mark.parametrize("options", [{"retry": 3}, {"middlewares": print}, {"timeout": -1}, {"timeout": "5"}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    """`with_options` checks as the constructor does."""
    with pytest.raises(ConfigurationError):
        AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9").with_options(**options)


@pytest.mark.asyncio
async def test_repr() -> None:
    """A client shows where it leads and whether it is closed, and never its key."""
    client = AsyncTechLadder("sk_secret", base_url="http://127.0.0.1:9/x/")
    assert repr(client) == "<AsyncTechLadder http://127.0.0.1:9/x>"
    await client.close()
    assert repr(client) == "<AsyncTechLadder http://127.0.0.1:9/x closed>"
    assert "sk_secret" not in f"{vars(client)}{vars(client.call_batches)}"


def test_no_retry_policy() -> None:
    """`retry=None` is the default policy."""
    client = AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", retry=None)
    assert client._options.retry == RetryPolicy()


# --- middlewares ---


@pytest.mark.asyncio
async def test_order_of_middlewares(sandbox: Sandbox) -> None:
    """The first middleware is the outermost, and all wrap the retries: two attempts pass them once."""
    log: list[str] = []
    sandbox.fail_next(Fault.status(503))
    chain = [tracer(log, "a"), tracer(log, "b")]
    attempts: list[AttemptRecord] = []
    async with AsyncTechLadder(
        sandbox.api_key, base_url=sandbox.url, middlewares=iter(chain), retry=NO_WAIT, hooks=[attempts.append]
    ) as client:
        await client.call_batches.list()
        assert log == [">a", ">b", "<b", "<a"]
        await client.with_options(timeout=5).call_batches.list()
        assert len(log) == 8
    assert [record.status for record in attempts] == [503, 200, 200]


@pytest.mark.asyncio
async def test_a_fabricated_response(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """A middleware may answer itself, with a plain dict of headers; nothing is sent then."""

    async def canned(request: Request, _handler: object) -> Response:
        assert (request.method, request.path) == ("GET", "/api/v1/public/call-batches")
        return Response(200, {}, page([batch(5)]).body)

    assert ids(await client.with_options(middlewares=[canned]).call_batches.list().collect()) == [5]
    assert sandbox.requests == []


@pytest.mark.asyncio
async def test_a_changed_request(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """A middleware may change parameters, headers and path."""

    async def filtered(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        params = {**request.params, "status": "failed"}
        return await handler(attrs.evolve(request, params=params, headers={"X-Trace": "7"}))

    async def elsewhere(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        return await handler(attrs.evolve(request, path="/api/v2/none"))

    async def other_page(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        return await handler(attrs.evolve(request, params={**request.params, "page": "2"}))

    found = await client.with_options(middlewares=[filtered]).call_batches.list()
    assert {batch.status for batch in found} == {"failed"}
    assert {name.lower(): value for name, value in sandbox.requests[0].headers.items()}["x-trace"] == "7"
    with pytest.raises(NotFoundError):
        await client.with_options(middlewares=[elsewhere]).call_batches.list()
    with pytest.raises(PaginationError, match="page 1 was asked for, and page 2"):
        await client.with_options(middlewares=[other_page]).call_batches.list()


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 2])
async def test_an_exception_of_ones_own(client: AsyncTechLadder, prefetch: int) -> None:
    """What a middleware raises comes out as it is, in its turn, and ends the walk."""

    async def failing(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.page == 2:
            raise ZeroDivisionError
        return await handler(request)

    seen: list[CallBatch] = []
    walk = aiter(client.with_options(middlewares=[failing]).call_batches.list(limit=10, prefetch=prefetch))
    with pytest.raises(ZeroDivisionError):
        await drain(walk, seen)
    assert len(seen) == 10
    with pytest.raises(RuntimeError, match="has failed"):
        await anext(walk)


@pytest.mark.asyncio
async def test_a_middleware_that_forgets_to_return(client: AsyncTechLadder) -> None:
    """A middleware that returns nothing is told so."""

    async def forgetful(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> None:
        await handler(request)

    with pytest.raises(TypeError, match="a middleware returned None in place of a Response"):
        await client.with_options(middlewares=[forgetful]).call_batches.list()  # type: ignore[list-item]  # the mistake


@pytest.mark.asyncio
@pytest.mark.parametrize("used_before", [False, True])
async def test_closing_from_within_a_middleware(sandbox: Sandbox, used_before: bool) -> None:
    """A middleware that closes its own client keeps it from sending, and leaves nothing open."""

    async def closing(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        await client.close()
        return await handler(request)

    client = AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)
    if used_before:
        await client.call_batches.list()
    with pytest.raises(RuntimeError, match="this client is closed"):
        await client.with_options(middlewares=[closing]).call_batches.list()
    assert len(sandbox.requests) == used_before
    gc.collect()


# --- sessions and derived clients ---


@pytest.mark.asyncio
async def test_a_given_session() -> None:
    """A session of the caller's is used with its own headers, and neither changed nor closed."""
    async with FaultServer(OK, OK, OK) as server:
        timeout = aiohttp.ClientTimeout(total=77)
        async with aiohttp.ClientSession(headers={"X-Own": "1"}, cookies={"own": "2"}, timeout=timeout) as session:
            before = (dict(session.headers), list(session.cookie_jar), session.timeout)
            async with AsyncTechLadder("sk_test", base_url=server.url, session=session, timeout=5) as client:
                await client.call_batches.list()
                await client.with_options(timeout=3).call_batches.list()
            assert not session.closed
            assert (dict(session.headers), list(session.cookie_jar), session.timeout) == before
            async with session.get(server.url):
                pass
        sent = [request.headers for request in server.requests]
    assert [headers.get("authorization") for headers in sent] == ["Bearer sk_test", "Bearer sk_test", None]
    assert {headers["x-own"] for headers in sent} == {"1"}
    assert server.connections == 1


@pytest.mark.asyncio
async def test_a_given_session_that_is_closed() -> None:
    """A session that was closed behind the client's back is a `RuntimeError`."""
    async with aiohttp.ClientSession() as session:
        client = AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", session=session)
    with pytest.raises(RuntimeError, match="is closed"):
        await client.call_batches.list()


@pytest.mark.asyncio
async def test_derived_clients_share(sandbox: Sandbox) -> None:
    """Derived clients share connections, gate and retry budget, and replace what they are told; theirs do so too."""
    log: list[str] = []
    async with FaultServer(OK, repeat_last=True) as server:
        client = AsyncTechLadder("sk_test", base_url=server.url, middlewares=[tracer(log, "first")], retry=NO_WAIT)
        second = client.with_options(middlewares=[tracer(log, "second")])
        third = second.with_options(timeout=9, retry=RetryPolicy.none())
        bare = third.with_options(middlewares=[])
        for each in (client, second, third, bare):
            await each.call_batches.list()
        assert server.connections == 1
        await client.close()
    assert log == [">first", "<first", ">second", "<second", ">second", "<second"]
    family = (client, second, third, bare)
    assert len({(id(each._shared.gate), id(each._shared.budget), id(each._shared.transport)) for each in family}) == 1
    assert [each._options.timeout.total for each in family] == [30, 30, 9, 9]
    assert [each._options.retry for each in family] == [NO_WAIT, NO_WAIT, RetryPolicy.none(), RetryPolicy.none()]


@pytest.mark.asyncio
async def test_a_derived_policy(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """A derived client without retries gives up at once; the original still tries again."""
    sandbox.fail_next(Fault.status(503), 2)
    with pytest.raises(ServerError) as caught:
        await client.with_options(retry=RetryPolicy.none()).call_batches.list()
    assert caught.value.attempts == 1
    assert len(await client.call_batches.list()) == 50
    assert len(sandbox.requests) == 3


@pytest.mark.asyncio
async def test_closing_a_derived_client(client: AsyncTechLadder) -> None:
    """Closing a derived client leaves the original and its siblings open."""
    async with client.with_options() as derived:
        child = derived.with_options()
        await derived.call_batches.list(limit=1)
    for closed in (derived, child):
        assert closed.closed
        with pytest.raises(RuntimeError, match="this client is closed"):
            await closed.call_batches.list()
    assert not client.closed
    await client.call_batches.list()


@pytest.mark.asyncio
async def test_closing_the_original(client: AsyncTechLadder) -> None:
    """Closing the original closes whatever was made of it, before or after."""
    derived = client.with_options()
    grandchild = derived.with_options()
    await client.close()
    for closed in (client, derived, grandchild, client.with_options(), derived.with_options()):
        with pytest.raises(RuntimeError, match="this client is closed"):
            await closed.call_batches.list()


@pytest.mark.asyncio
async def test_a_derived_client_that_nobody_holds(client: AsyncTechLadder) -> None:
    """A walk keeps the client alive that it was made of, and is ended with the original."""
    walk = aiter(client.with_options(timeout=5).call_batches.list(limit=10, prefetch=0))
    gc.collect()
    await anext(walk)
    await client.close()
    with pytest.raises(RuntimeError, match="this client is closed"):
        [item async for item in walk]


@pytest.mark.asyncio
async def test_an_unclosed_client(sandbox: Sandbox) -> None:
    """A client that was used and never closed is no silent leak."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    forgotten = [AsyncTechLadder(sandbox.api_key, base_url=sandbox.url)]
    await forgotten[0].call_batches.list(limit=1)

    def forget() -> None:
        forgotten.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match="Unclosed") as caught:
        forget()
    session = caught[0].source  # kept alive by the warning
    assert isinstance(session, aiohttp.ClientSession)
    await session.close()


def test_an_unused_client() -> None:
    """A client that never sent anything may simply be dropped."""
    AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9")
    gc.collect()


@pytest.mark.asyncio
async def test_no_network() -> None:
    """Nothing listening is an `APIConnectionError`, after as many attempts as the policy says."""
    async with AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", retry=NO_WAIT) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.call_batches.list().first()
    assert caught.value.attempts == 4


@pytest.mark.asyncio
async def test_an_error_keeps_nothing_alive() -> None:
    """An error that was handled is gone at once, with all that its traceback held, not when the collector comes."""
    gc.collect()
    gc.disable()
    try:
        async with AsyncTechLadder("sk_test", base_url=refused_url(), retry=NO_WAIT) as client:
            for use in (client.call_batches.list().first, client.call_batches.list().collect):
                try:
                    await use()
                except APIConnectionError as error:
                    seen = weakref.ref(error)
                assert seen() is None
    finally:
        gc.enable()


@pytest.mark.asyncio
async def test_a_call_that_closing_ended_keeps_nothing_alive() -> None:
    """The error of a request that was under way when the client was closed is gone with its task."""
    gc.collect()
    gc.disable()
    try:
        async with FaultServer(hang()) as server:
            client = client_for(server.url)
            task = asyncio.ensure_future(client.call_batches.list().first())
            await server.received()
            await client.close()
            await asyncio.wait([task])
            error = task.exception()
            assert isinstance(error, APIConnectionError)
            seen = weakref.ref(error)
            del task, error
            assert seen() is None
    finally:
        gc.enable()
