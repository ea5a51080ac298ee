"""One exchange over aiohttp: what goes on the wire, and what comes of each way in which it can end."""

import asyncio
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest

from techladder_async import (
    APIConnectionError,
    APITimeoutError,
    AsyncTechLadder,
    ConfigurationError,
    Handler,
    PaginationError,
    Request,
    Response,
    ResponseDecodeError,
    RetryPolicy,
)
from techladder_async._pool import Connections
from tests.clients import KEY, a_moment_later, client_for
from tests.fault_server import FaultServer
from tests.faults import (
    OK,
    Step,
    batch,
    close_on_reuse,
    cut,
    delay,
    error,
    gzip_bomb,
    hang,
    leftover,
    page,
    redirect,
    reset,
    respond,
)

PATIENT = RetryPolicy(initial=60, maximum=60)


@pytest.mark.asyncio
async def test_what_is_sent() -> None:
    """A request has the key, what it accepts and who sends it, once each, and no cookie."""
    async with FaultServer(page(page=2)) as server, client_for(server.url) as client:
        await client.call_batches.list(status="active", limit=7, page=2)
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/api/v1/public/call-batches")
    assert request.query == {"status": "active", "limit": "7", "page": "2"}
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip, deflate"
    assert request.headers["user-agent"].startswith("techladder_async/")
    names = [line.partition(b":")[0].lower() for line in request.head.split(b"\r\n")[1:]]
    assert len(names) == len(set(names))
    assert b"cookie" not in names


@pytest.mark.asyncio
async def test_a_middlewares_headers_are_sent_once() -> None:
    """A header of a middleware's is sent; one that the transport needs for itself keeps its value."""

    async def mark(request: Request, handler: Handler) -> Response:
        return await handler(Request("GET", request.path, request.params, {"X-Trace": "7", "accept-ENCODING": "br"}))

    async with FaultServer(OK) as server, client_for(server.url, middlewares=[mark]) as client:
        await client.call_batches.list()
    assert server.requests[0].headers["x-trace"] == "7"
    assert server.requests[0].head.lower().count(b"accept-encoding") == 1
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.asyncio
@pytest.mark.parametrize("trap", [(), reset()])
async def test_aiohttp_does_not_resend_by_itself(trap: Step) -> None:
    """A request that meets a dead connection is one attempt, which the history knows, and not two in one."""
    steps = close_on_reuse(then=trap) if trap else close_on_reuse()
    async with FaultServer(steps, OK) as server, client_for(server.url, retry=RetryPolicy.none()) as client:
        await client.call_batches.list()
        with pytest.raises(APIConnectionError, match="dropped") as caught:
            await client.call_batches.list()
    assert caught.value.attempts == 1
    assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_a_leftover_on_a_given_session_is_never_taken_for_the_answer() -> None:
    """On a session of the caller's, the page's number gives the wrong answer away, and its connection is dropped."""
    stale = leftover(OK, page([batch(9)], 9), 0.005)
    async with (
        FaultServer(stale, OK, OK) as server,
        aiohttp.ClientSession() as session,
        client_for(server.url, session=session) as client,
    ):
        with pytest.raises(PaginationError, match="page 1 was asked for, and page 9 answered"):
            await a_moment_later(client)
        await client.call_batches.list()
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.asyncio
async def test_after_a_wrong_page_no_open_connection_is_used_again() -> None:
    """When one connection has answered another question, the next request opens a new one."""
    async with FaultServer(OK, page(page=9), OK) as server, client_for(server.url) as client:
        await client.call_batches.list()
        with pytest.raises(PaginationError):
            await client.call_batches.list()
        await client.call_batches.list()
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.asyncio
async def test_a_bomb_takes_no_memory() -> None:
    """Of 64 MiB behind a small gzip body, hardly more than the allowed size is ever in memory."""
    bomb = gzip_bomb()
    async with FaultServer(bomb) as server, client_for(server.url, max_response_bytes=2**20) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ResponseDecodeError, match="max_response_bytes=1048576"):
                await client.call_batches.list()
            assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
        finally:
            tracemalloc.stop()


@pytest.mark.asyncio
async def test_a_body_of_just_the_allowed_size_is_read() -> None:
    """The bound itself is allowed, one byte less is not."""
    async with FaultServer(OK, repeat_last=True) as server:
        async with client_for(server.url, max_response_bytes=len(OK.body)) as client:
            assert len(await client.call_batches.list()) == 1
        async with client_for(server.url, max_response_bytes=len(OK.body) - 1) as client:
            with pytest.raises(ResponseDecodeError):
                await client.call_batches.list()


@pytest.mark.asyncio
async def test_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no .netrc and no cookie gets between the client and the API."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    cookie = page(headers={"Set-Cookie": "session=1; Path=/"})
    async with FaultServer() as proxy, FaultServer(cookie, cookie) as server:
        url = server.url.replace("127.0.0.1", "localhost")  # aiohttp keeps no cookies of a bare address
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with client_for(url) as client:
            await client.call_batches.list()
            await client.call_batches.list()
        assert proxy.requests == []
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert len(server.requests) == 2
    assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.asyncio
async def test_a_redirect_takes_the_key_nowhere() -> None:
    """A redirect to another origin is not followed, so nothing is sent there."""
    async with FaultServer() as other, FaultServer(redirect(other.url)) as server, client_for(server.url) as client:
        with pytest.raises(Exception, match="302"):
            await client.call_batches.list()
        assert other.connections == 0


def test_a_session_of_another_kind_is_refused() -> None:
    """What is no `ClientSession` is refused at once."""
    with pytest.raises(ConfigurationError, match="ClientSession"):
        AsyncTechLadder(KEY, session="session")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "1"])
async def test_a_time_out_that_would_be_none_is_refused(seconds: Any) -> None:
    """Zero and less, which would mean no limit to aiohttp, are refused, in its own `ClientTimeout` too."""
    for timeout in (seconds, aiohttp.ClientTimeout(total=seconds), aiohttp.ClientTimeout(sock_read=seconds)):
        with pytest.raises(ConfigurationError, match="time-out"):
            AsyncTechLadder(KEY, timeout=timeout)


@pytest.mark.asyncio
async def test_the_parts_of_a_client_timeout_hold_too() -> None:
    """A `ClientTimeout` of the caller's bounds what it says, and the error is the same."""
    timeout = aiohttp.ClientTimeout(total=5, sock_read=0.05)
    once = RetryPolicy.none()
    async with FaultServer(cut(5, hang())) as server, client_for(server.url, timeout=timeout, retry=once) as client:
        with pytest.raises(APITimeoutError, match=r"within 0\.0"):
            await client.call_batches.list()


# --- closing and cancelling, wherever a request may be ---


class Backlog:
    """A port that listens and never accepts, with its backlog full: a connection to it hangs."""

    async def __aenter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.fillers = [socket.socket() for _ in range(2)]
        for filler in self.fillers:
            filler.setblocking(False)
            filler.connect_ex(self.listener.getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in (self.listener, *self.fillers):
            each.close()

    async def received(self) -> None:
        await asyncio.sleep(0.02)


async def pooled(client: AsyncTechLadder) -> None:
    """Use up the pool of 100 connections, and wait for one more."""
    outcomes = await asyncio.gather(*(_list(client) for _ in range(101)), return_exceptions=True)
    raise BaseExceptionGroup("all of them", [each for each in outcomes if each is not None])


async def gated(client: AsyncTechLadder) -> None:
    """Learn that nothing remains, and wait at the gate."""
    await client.call_batches.list()
    await client.call_batches.list()


async def _list(client: AsyncTechLadder) -> None:
    await client.call_batches.list()


def _spent() -> Step:
    date = "Fri, 06 Nov 2026 08:49:37 GMT"  # 1793954977
    return page(
        headers={
            "Date": date,
            "X-RateLimit-Limit": "9",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1793955007",
        }
    )


Server = Callable[[], AbstractAsyncContextManager[Any]]
PLACES: dict[str, tuple[Server, Callable[[AsyncTechLadder], Any]]] = {
    "connecting": (Backlog, _list),
    "waiting for the head": (lambda: FaultServer(hang(), repeat_last=True), _list),
    "reading the body": (lambda: FaultServer(cut(9, hang())), _list),
    "backing off": (lambda: FaultServer(error(503)), _list),
    "waiting as a 429 asks": (lambda: FaultServer(error(429, headers={"Retry-After": "50"})), _list),
    "waiting at the gate": (lambda: FaultServer(_spent()), gated),
    "waiting for the pool": (lambda: FaultServer(hang(), repeat_last=True), pooled),
}


def _leaves(raised: BaseException) -> list[BaseException]:
    if isinstance(raised, BaseExceptionGroup):
        return [leaf for each in raised.exceptions for leaf in _leaves(each)]
    return [raised]


@pytest.mark.asyncio
@pytest.mark.parametrize("place", PLACES)
async def test_cancelling(place: str) -> None:
    """A cancellation anywhere is prompt, is passed on, is not tried again, and leaves nothing behind."""
    make, use = PLACES[place]
    async with make() as server:
        async with client_for(server.url, retry=PATIENT, timeout=30) as client:
            task = asyncio.create_task(use(client))
            await server.received()
            await asyncio.sleep(0.02)
            assert not task.done()
            task.cancel()
            await asyncio.wait([task], timeout=1)
            assert task.cancelled()
        if isinstance(server, FaultServer):
            await server.all_closed()
            assert len(server.requests) == (100 if use is pooled else 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("place", PLACES)
async def test_closing_the_client(place: str) -> None:
    """Closing the client ends a request anywhere, promptly, with a connection error that says so."""
    make, use = PLACES[place]
    async with make() as server:
        client = client_for(server.url, retry=PATIENT, timeout=30)
        task = asyncio.create_task(use(client))
        await server.received()
        await asyncio.sleep(0.02)
        await client.close()
        await asyncio.wait([task], timeout=1)
        assert not task.cancelled()
        for leaf in _leaves(task.exception() or AssertionError("no error")):
            assert isinstance(leaf, APIConnectionError)
            assert "closed" in str(leaf)


@pytest.mark.asyncio
@pytest.mark.parametrize("place", ["waiting for the head", "reading the body", "waiting for the pool"])
async def test_closing_the_given_session(place: str) -> None:
    """When its owner closes the session under a request, that ends at once with an error that says so."""
    make, use = PLACES[place]
    async with make() as server, aiohttp.ClientSession() as session:
        client = client_for(server.url, retry=PATIENT, timeout=30, session=session)
        task = asyncio.create_task(use(client))
        await server.received()
        await asyncio.sleep(0.02)
        await session.close()
        await asyncio.wait([task], timeout=1)
        for leaf in _leaves(task.exception() or AssertionError("no error")):
            assert isinstance(leaf, APIConnectionError)
            assert "ClientSession of this client is closed" in str(leaf)
        with pytest.raises(RuntimeError, match="closed"):
            await client.call_batches.list()


@pytest.mark.asyncio
async def test_a_task_that_cancelled_itself_is_cancelled() -> None:
    """A cancellation that is due when the request begins is passed on too, and not taken for a closed session."""

    async def leave(client: AsyncTechLadder) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await client.call_batches.list()

    async with FaultServer(OK, repeat_last=True) as server, client_for(server.url) as client:
        task = asyncio.create_task(leave(client))
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await client.call_batches.list()).total == 1


@pytest.mark.asyncio
async def test_a_slow_answer_in_time_is_no_error() -> None:
    """An answer within the time-out is an answer, and each request finds its own among many at once."""
    own = respond(lambda request: delay(0.01, page(page=int(request.query["page"]))))
    async with FaultServer(own, repeat_last=True) as server, client_for(server.url, timeout=10) as client:
        pages = await asyncio.gather(*(client.call_batches.list(page=n).first() for n in range(1, 30)))
    assert pages == [None] * 29


class Idle:
    """A connection on which nothing waits."""

    should_close = False


def test_distrust_lasts() -> None:
    """A connection that was distrusted once stays so when others are, and a new one is trusted."""
    connections = Connections()
    first, second, fresh = Idle(), Idle(), Idle()
    for idle in (first, second):
        connections.add(idle)  # type: ignore[arg-type]  # as much of a connection as is looked at
        connections.distrust()
    connections.add(fresh)  # type: ignore[arg-type]  # likewise
    assert [connections.usable(idle) for idle in (first, second, fresh)] == [False, False, True]  # type: ignore[arg-type]  # likewise
