"""Every step of the fault server puts on the wire what it says."""

import asyncio
import time
from typing import Self

import aiohttp
import pytest

from tests.fault_server import FaultServer, refused_url
from tests.faults import (
    OK,
    Answer,
    Received,
    Step,
    broken_chunking,
    close,
    close_on_reuse,
    close_when_idle,
    compressed,
    corrupt_gzip,
    cut,
    delay,
    drip,
    early_hints,
    endless_body,
    gzip_bomb,
    half_gzip,
    hang,
    header_injection,
    leftover,
    malformed,
    page,
    raw,
    reset,
    reset_after,
    respond,
    wait_for,
    wrong_length,
)

WHOLE = OK.head + OK.body
GET = b"GET /list?page=2&status= HTTP/1.1\r\nHost: x\r\nX-Key: One\r\n\r\n"


class Peer:
    """A client that knows no HTTP."""

    def __init__(self, server: FaultServer) -> None:
        self.port = int(server.url.rpartition(":")[2])

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    def send(self, data: bytes = GET) -> None:
        self.writer.write(data)

    async def exactly(self, expected: bytes) -> None:
        async with asyncio.timeout(1):
            assert await self.reader.readexactly(len(expected)) == expected

    async def silent(self) -> bool:
        """Whether nothing comes, not even an end."""
        try:
            async with asyncio.timeout(0.02):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


SENT: dict[str, tuple[Step, bytes]] = {
    "raw": (raw(b"\x00exactly\r\n"), b"\x00exactly\r\n"),
    "leftover at once": (leftover(OK, page(page=9)), WHOLE + b"".join(page(page=9))),
    "leftover later": (leftover(OK, page(page=9), after=0.01), WHOLE + b"".join(page(page=9))),
    "malformed": (malformed(), b"HTP/one 2OO okay\r\n\r\n"),
    "early hints": (early_hints(), b"HTTP/1.1 103 Early\r\nLink: </style.css>\r\n\r\n" + WHOLE),
    "early 100": (early_hints(status=100), b"HTTP/1.1 100 Early\r\nLink: </style.css>\r\n\r\n" + WHOLE),
    "delay": (delay(0.01), WHOLE),
    "drip": (drip(0, 5), WHOLE),
    "drip from the head on": (drip(0, head=True), WHOLE),
    "header injection": (header_injection(b"X: \x00"), OK.head[:-2] + b"X: \x00\r\n\r\n" + OK.body),
    "bad chunking": (
        broken_chunking(Answer(b"abc"), b"?"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n?",
    ),
    "own parts": ((b"one", 0.001, b"two"), b"onetwo"),
}
ENDED: dict[str, tuple[Step, bytes, bool]] = {
    "close": (close(), b"", False),
    "reset": (reset(), b"", True),
    "cut": (cut(7), OK.head + OK.body[:7], False),
    "reset after": (reset_after(7), OK.head + OK.body[:7], True),
    "close when idle": (close_when_idle(after=0.01), WHOLE, False),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", SENT)
async def test_bytes_on_the_wire(name: str) -> None:
    """A step sends its bytes, all of them and no more, and leaves the connection open."""
    step, expected = SENT[name]
    async with FaultServer(step) as server, Peer(server) as peer:
        peer.send()
        await peer.exactly(expected)
        assert await peer.silent()
        assert server.open_connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ENDED)
async def test_end_of_the_connection(name: str) -> None:
    """A step that ends the connection does so after its bytes, with a FIN or an RST as it says."""
    step, expected, broken = ENDED[name]
    async with FaultServer(step) as server, Peer(server) as peer:
        peer.send()
        await peer.exactly(expected)
        if broken:
            with pytest.raises(ConnectionResetError):
                await peer.reader.read()
        else:
            assert await peer.reader.read() == b""
        await server.all_closed()


@pytest.mark.asyncio
async def test_what_arrived_is_recorded() -> None:
    """A request is recorded with its query, lower-case header names, raw head and connection number."""
    async with FaultServer(OK, repeat_last=True) as server:
        async with Peer(server) as first, Peer(server) as second:
            first.send(GET[:20])
            await asyncio.sleep(0.01)
            assert server.requests == []
            first.send(GET[20:])
            await first.exactly(WHOLE)
            second.send()
            await second.exactly(WHOLE)
            assert server.open_connections == server.connections == 2
        await server.all_closed()
    query, headers = {"page": "2", "status": ""}, {"host": "x", "x-key": "One"}
    assert server.requests[0] == Received("GET", "/list", query, headers, 1, GET[:-4])
    assert server.requests[1].connection == 2
    assert server.unexpected == []


@pytest.mark.asyncio
async def test_unscripted_request() -> None:
    """A request after the end of the script is answered 500 and noted."""
    async with FaultServer(OK) as server, Peer(server) as peer:
        peer.send(GET + GET)
        await peer.exactly(WHOLE + b"HTTP/1.1 500 Internal Server Error\r\n")
        assert server.unexpected == [server.requests[1]]


@pytest.mark.asyncio
async def test_a_request_whose_sender_left_at_once_is_recorded() -> None:
    """A request counts as arrived though its connection is gone before an answer could start."""
    async with FaultServer(OK) as server:
        async with Peer(server) as peer:
            peer.send()
            peer.writer.close()
        await server.received()


@pytest.mark.asyncio
async def test_hang_ends_with_the_client() -> None:
    """A hanging request can be waited for, gets nothing, and lets go when the client does."""
    async with FaultServer(hang()) as server:
        async with Peer(server) as peer:
            peer.send()
            await server.received(1)
            assert await peer.silent()
        await server.all_closed()


@pytest.mark.asyncio
@pytest.mark.parametrize("step", [hang(), endless_body(), delay(60), drip(60), cut(3, hang()), wrong_length(9)])
async def test_leaving_is_prompt_and_clean(step: Step) -> None:
    """The server stops at once whatever its steps are doing, and leaves no task."""
    before = asyncio.all_tasks()
    async with FaultServer(step, repeat_last=True) as server:
        peers = [Peer(server) for _ in range(5)]
        for peer in peers:
            await peer.__aenter__()
            peer.send()
        await server.received(5)
        started = time.perf_counter()
    assert time.perf_counter() - started < 0.1
    assert asyncio.all_tasks() == before
    assert server.open_connections == 0
    for peer in peers:
        await peer.__aexit__()


@pytest.mark.asyncio
async def test_leaving_while_a_connection_is_accepted() -> None:
    """A connection that comes in the moment the server stops is closed with it."""
    before = asyncio.all_tasks()
    async with FaultServer() as server:
        connecting = asyncio.create_task(Peer(server).__aenter__())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {connecting}
    for outcome in await asyncio.gather(connecting, return_exceptions=True):
        if isinstance(outcome, Peer):
            await outcome.__aexit__()
    assert server.open_connections == 0


@pytest.mark.asyncio
async def test_an_error_in_a_step_is_raised() -> None:
    """A step with a bug ends its connection, and its exception is raised on leaving."""
    server = await FaultServer(respond(lambda _request: [1 / 0])).__aenter__()
    async with Peer(server) as peer:
        peer.send()
        assert await peer.reader.read() == b""
    with pytest.raises(ZeroDivisionError):
        await server.__aexit__()


@pytest.mark.asyncio
async def test_waiting_for_an_event() -> None:
    """A step behind an event answers once that is set, and not before."""
    event = asyncio.Event()
    async with FaultServer(wait_for(event)) as server, Peer(server) as peer:
        peer.send()
        assert await peer.silent()
        event.set()
        await peer.exactly(WHOLE)


@pytest.mark.asyncio
@pytest.mark.parametrize(("then", "broken"), [(close(), False), (reset(), True)])
async def test_close_on_reuse(then: Step, broken: bool) -> None:
    """The second request on a connection meets its end, and takes no step of the script."""
    async with FaultServer(close_on_reuse(then=then), page(page=3)) as server, Peer(server) as peer:
        peer.send()
        await peer.exactly(WHOLE)
        peer.send()
        (outcome,) = await asyncio.gather(peer.reader.read(), return_exceptions=True)
        assert isinstance(outcome, ConnectionResetError) if broken else outcome == b""
        async with Peer(server) as second:
            second.send()
            await second.exactly(b"".join(page(page=3)))
        assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.asyncio
async def test_aiohttp_resends_by_itself_on_a_reused_connection() -> None:
    """An idempotent request that meets a dead kept-alive connection arrives twice, though the caller sent it once."""
    async with FaultServer(close_on_reuse(), OK) as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(server.url) as response:
                assert await response.read() == OK.body
        assert [request.connection for request in server.requests] == [1, 1, 2]
        assert server.unexpected == []


@pytest.mark.asyncio
async def test_endless_body_outlasts_any_cap() -> None:
    """An endless body goes on in well-formed chunks until the client leaves."""
    async with FaultServer(endless_body()) as server:
        async with aiohttp.ClientSession() as session, session.get(server.url) as response:
            assert await response.content.readexactly(2**21) == b" " * 2**21
        await server.all_closed()


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_answers_are_sound(encoding: str) -> None:
    """A compressed answer, a bomb too, is what a client decompresses without complaint."""
    bomb = gzip_bomb(2**20, encoding)
    assert len(bomb.body) < 2**20 // 200
    async with FaultServer(compressed(OK, encoding), bomb) as server, aiohttp.ClientSession() as session:
        for expected in (OK.body, b" " * 2**20):
            async with session.get(server.url) as response:
                assert await response.read() == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "step",
    [
        cut(9),
        reset_after(9),
        broken_chunking(),
        corrupt_gzip(),
        half_gzip(encoding="deflate"),
        malformed(),
        header_injection(),
    ],
)
async def test_a_real_client_refuses_a_fault(step: Step) -> None:
    """What is meant as broken is broken for aiohttp."""
    async with FaultServer(step) as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(server.url) as response:
                await response.read()


@pytest.mark.asyncio
async def test_refused() -> None:
    """Nothing listens at a refused URL."""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(refused_url().rpartition(":")[2]))
