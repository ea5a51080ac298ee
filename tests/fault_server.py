"""A scripted HTTP/1.1 server that misbehaves to order, on a real loopback socket and without an HTTP library.

Each request that arrives takes the next step of the script::

    async with FaultServer(reset(), cut(10), page([batch(1)])) as server:
        ...                                   # point a client at server.url
    assert [request.connection for request in server.requests] == [1, 2, 3]

A step is a value: a series of parts, done in order until the peer goes away. Steps join: `(*page(), 0.01, *reset())`.
"""

import asyncio
import functools
import itertools
import json
import socket
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, Self, Union
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve, frozen

HOST: Final = "127.0.0.1"
PATIENCE: Final = 2.0  # seconds until a wait that never comes true fails its test
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST instead of FIN
CODES: Final = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 422: "VALIDATION_ERROR", 429: "RATE_LIMITED"}

Items = Iterable[Mapping[str, object]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
End = Enum("End", ["FIN", "RST"])

# bytes are sent, a number of seconds or an event is waited for, and a function makes the parts out of the request
Part = Union[bytes, float, asyncio.Event, End, "OnReuse", "Callable[[Received], Step]"]
Step = Iterable[Part]


@frozen
class Received:
    """One request as it came; `connection` counts the TCP connections from 1, header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    connection: int
    head: bytes

    @classmethod
    def parse(cls, head: bytes, connection: int) -> Self:
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = request_line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        url = urlsplit(target)
        return cls(method, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers, connection, head)


@frozen
class OnReuse:
    """As a part: later requests on this connection meet `step`, and take nothing from the script."""

    step: Step


class _Connection(asyncio.Protocol):
    """Cuts the stream into requests as they arrive, and lets a task answer them one after the other."""

    def __init__(self, server: "FaultServer") -> None:
        self.server = server
        self.trap: Step | None = None
        self.buffer = b""
        self.pending: asyncio.Queue[tuple[Step, Received]] = asyncio.Queue()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # so that send() returns when the kernel has all of it
        self.number = self.server.opened(self)
        self.task = asyncio.get_running_loop().create_task(self.serve(), name=f"connection {self.number}")

    def data_received(self, data: bytes) -> None:
        *heads, self.buffer = (self.buffer + data).split(b"\r\n\r\n")  # a list is asked for with GET: no bodies
        for head in heads:
            request = Received.parse(head, self.number)
            self.pending.put_nowait((self.server.take(request, self.trap), request))

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def eof_received(self) -> None:
        self.transport.abort()  # nobody reads any more: what is unsent must not hold the close up

    def connection_lost(self, exc: Exception | None) -> None:
        self.task.cancel()
        self.server.lost(self)

    async def serve(self) -> None:
        try:
            while True:
                await self.play(*await self.pending.get())
        finally:
            self.transport.abort()  # after a step that failed; else the connection is gone already

    async def play(self, step: Step, request: Received) -> None:
        for part in step:
            match part:
                case bytes():
                    self.transport.write(part)
                    await self.writable.wait()
                case int() | float():
                    await asyncio.sleep(part)
                case asyncio.Event():
                    await part.wait()
                case End.FIN:
                    self.transport.close()
                case End.RST:
                    sock = self.transport.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    self.transport.abort()
                case OnReuse():
                    self.trap = part.step
                case _:
                    await self.play(part(request), request)


class FaultServer:
    """Serves the script. An unscripted request is answered 500 and noted in `unexpected`.

    With `repeat_last` the last step serves all further requests. An exception in a step is raised on leaving.
    """

    def __init__(self, *script: Step, repeat_last: bool = False) -> None:
        self.requests: list[Received] = []
        self.unexpected: list[Received] = []
        self.connections = 0
        self._script = deque(script)
        self._last = script[-1] if script and repeat_last else None
        self._open: set[_Connection] = set()
        self._accepting: list[asyncio.Task[Any]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    async def received(self, count: int = 1) -> None:
        """Wait until `count` requests have arrived since the start, or raise `TimeoutError`."""
        await self._until(lambda: len(self.requests) >= count)

    async def all_closed(self) -> None:
        """Wait until no connection is open, or raise `TimeoutError`."""
        await self._until(lambda: not self._open)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self._listener.setblocking(False)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    def _accept(self) -> None:
        # Not asyncio's own server: that one fails on connections which it is accepting when it is closed.
        loop = asyncio.get_running_loop()
        with suppress(BlockingIOError):
            peer, _address = self._listener.accept()
            self._accepting.append(loop.create_task(loop.connect_accepted_socket(lambda: _Connection(self), peer)))

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        await asyncio.gather(*self._accepting)
        for connection in self._open:
            connection.transport.abort()
        await self.all_closed()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def opened(self, connection: _Connection) -> int:
        self.connections += 1
        self._open.add(connection)
        self._changed.set()
        return self.connections

    def lost(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._tasks.append(connection.task)
        self._changed.set()

    def take(self, request: Received, trap: Step | None) -> Step:
        self.requests.append(request)
        self._changed.set()
        if trap is not None:
            return trap
        if self._script:
            return self._script.popleft()
        if self._last is None:
            self.unexpected.append(request)
        return self._last or error(500, message="The script has no answer to this request")


def refused_url() -> str:
    """Give the URL of a loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"http://{HOST}:{probe.getsockname()[1]}"


@frozen
class Answer:
    """A whole, right response, after which the connection stays open; a step of one part.

    Content-Type (JSON) and Content-Length are added unless `headers` has them or, for the length, a Transfer-Encoding.
    """

    body: bytes = b""
    status: int = 200
    headers: Headers = ()

    @property
    def head(self) -> bytes:
        """The status line and the headers, with the empty line that ends them."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body))} | dict(self.headers)
        if "Transfer-Encoding" in headers:
            del headers["Content-Length"]
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def __iter__(self) -> Iterator[bytes]:
        yield self.head + self.body

    def plus(self, name: str, value: str) -> "Answer":
        """Give the same answer with one more header."""
        return evolve(self, headers={**dict(self.headers), name: value})


def _envelope(status: int, message: str, fault: object, data: object, headers: Headers) -> Answer:
    envelope = {"status_code": status, "message": message, "error": fault, "data": data}
    return Answer(json.dumps(envelope).encode(), status, headers)


def page(items: Items = (), page: int = 1, *, headers: Headers = (), status: int = 200, **changes: object) -> Answer:
    """Give one page of a listing; `changes` are its `total`, `limit` (100) and `has_more` (false)."""
    items = list(items)
    total = (page - 1) * 100 + len(items) + bool(changes.get("has_more"))
    data = {"items": items, "total": total, "page": page, "limit": 100, "has_more": False, **changes}
    return _envelope(status, "Call batches fetched successfully", None, data, headers)


def error(
    status: int, code: str | None = None, message: str = "It failed", details: Iterable[str] = (), headers: Headers = ()
) -> Answer:
    """Give the documented error envelope; `code` is the documented one of the status unless given."""
    return _envelope(status, message, {"code": code or CODES.get(status), "details": list(details)}, None, headers)


def batch(n: int, **changes: object) -> dict[str, Any]:
    """Give the `n`th call batch, valid but for `changes`."""
    names = {"schedule_id": f"sched_{n:08x}", "agent_id": "agt-57949b14", "agent_name": f"Agent {n}"}
    kinds = {"version_id": "pmt-667ddf271b", "status": "pending", "start_mode": "scheduled"}
    counts = {"total_contacts": 150, "completed_contacts": 0, "failed_contacts": 0}
    times = {"scheduled_at": "2026-05-15T08:30:00Z", "created_at": "2026-05-14T10:00:00Z"}
    return {**names, **kinds, **counts, **times, **changes}


OK: Final = page([batch(1)])


def html(status: int = 502) -> Answer:
    """Give a proxy's error page."""
    return Answer(f"<html><body><h1>{status}</h1>nginx</body></html>".encode(), status, {"Content-Type": "text/html"})


def redirect(location: str, status: int = 302) -> Answer:
    """Send the client elsewhere."""
    return Answer(b"", status, {"Location": location})


def raw(data: bytes) -> Step:
    """Send exactly these bytes; the connection stays open."""
    return (data,)


def delay(seconds: float, then: Step = OK) -> Step:
    """Wait, then do `then`."""
    return (seconds, *then)


def wait_for(event: asyncio.Event, then: Step = OK) -> Step:
    """Do `then` once the event is set."""
    return (event, *then)


def respond(choose: Callable[[Received], Step]) -> Step:
    """Do what `choose` makes of the request."""
    return (choose,)


def reset() -> Step:
    """RST at this point."""
    return (End.RST,)


def close() -> Step:
    """FIN at this point."""
    return (End.FIN,)


def hang() -> Step:
    """Send nothing more until the client goes away or the server stops."""
    return (asyncio.Event(),)


def close_when_idle(first: Step = OK, after: float = 0.0) -> Step:
    """Do `first`, then FIN on the idle connection after so many seconds."""
    return (*first, after, End.FIN)


def close_on_reuse(first: Step = OK, then: Step = (End.FIN,)) -> Step:
    """Do `first`; each later request on the connection meets `then` in place of an answer, and takes no step."""
    return (OnReuse(then), *first)


def leftover(first: Answer = OK, stale: Answer = OK, after: float | None = None) -> Step:
    """Send `first`, and behind it `stale`, for which nobody asked: in the same segment, or `after` so many seconds."""
    return (*first, after, *stale) if after is not None else (b"".join((*first, *stale)),)


def cut(after: int, then: Step = (End.FIN,), of: Answer = OK) -> Step:
    """Send the head and `after` bytes of the body, then FIN, or `then`: `reset()`, `hang()`."""
    return (of.head + of.body[:after], *then)


def reset_after(count: int, of: Answer = OK) -> Step:
    """Send the head and `count` bytes of the body, then RST."""
    return cut(count, reset(), of)


def wrong_length(by: int, of: Answer = OK) -> Answer:
    """Claim a Content-Length that is `by` bytes too long, or too short if negative; the connection stays open."""
    return of.plus("Content-Length", str(len(of.body) + by))


def _chunked(of: Answer) -> bytes:
    return of.plus("Transfer-Encoding", "chunked").head + b"%x\r\n%b\r\n" % (len(of.body), of.body)


def broken_chunking(of: Answer = OK, tail: bytes = b"nonsense\r\n\r\n") -> Step:
    """Send all of the body in a good chunk, and then `tail` where the size of the next should be."""
    return (_chunked(of) + tail,)


def endless_body() -> Step:
    """Send chunks of blanks until the client goes away."""
    start, chunk = _chunked(Answer(b" ")), b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    # The pause lets others run when the peer reads as fast as this writes.
    return (start, lambda _request: itertools.cycle((chunk, 0)))


def drip(interval: float, total: int | None = None, of: Answer = OK, *, head: bool = False) -> Step:
    """Send `total` bytes of the body (all), or of the whole answer, one each `interval` seconds; the rest at once."""
    wire, start = of.head + of.body, 0 if head else len(of.head)
    end = len(wire) if total is None else start + total
    return (wire[:start], *(part for at in range(start, end) for part in (wire[at : at + 1], interval)), wire[end:])


def compressed(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give the answer in gzip or deflate."""
    body = zlib.compress(of.body, wbits=31 if encoding == "gzip" else 15)
    return evolve(of.plus("Content-Encoding", encoding), body=body)


def half_gzip(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give the first half of a compressed body, with the right length of that half."""
    whole = compressed(of, encoding)
    return evolve(whole, body=whole.body[: len(whole.body) // 2])


def corrupt_gzip(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give a compressed body with all bits turned after the first 12 bytes."""
    whole = compressed(of, encoding)
    return evolve(whole, body=whole.body[:12] + bytes(byte ^ 0xFF for byte in whole.body[12:]))


@functools.cache
def gzip_bomb(decompressed_bytes: int = 64 * 2**20, encoding: str = "gzip") -> Answer:
    """Give so many blanks in about a thousandth of that on the wire."""
    return compressed(Answer(b" " * decompressed_bytes), encoding)


def malformed(line: bytes = b"HTP/one 2OO okay\r\n\r\n") -> Step:
    """Send what is no status line."""
    return (line,)


def header_injection(line: bytes = b"X-Bad: a\x00b", of: Answer = OK) -> Step:
    """Send these bytes as one more header line: NUL, a bare CR, a name with blanks, a second Content-Length."""
    return (of.head[:-2] + line + b"\r\n\r\n" + of.body,)


def huge_headers(size: int = 65536, of: Answer = OK) -> Answer:
    """Add a header of `size` bytes."""
    return of.plus("X-Huge", "x" * size)


def early_hints(of: Answer = OK, status: int = 103) -> Step:
    """Send an informational response in front of the answer."""
    return (b"HTTP/1.1 %d Early\r\nLink: </style.css>\r\n\r\n" % status, *of)
