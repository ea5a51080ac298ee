"""A scripted HTTP/1.1 server that misbehaves to order, on a real loopback socket and without an HTTP library.

Each request that arrives takes the next step of the script, which `tests.faults` has a store of::

    async with FaultServer(reset(), cut(10), page([batch(1)])) as server:
        ...                                   # point a client at server.url
    assert [request.connection for request in server.requests] == [1, 2, 3]
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Self

from tests.faults import End, OnReuse, Received, Step, error

HOST: Final = "127.0.0.1"
PATIENCE: Final = 2.0  # seconds until a wait that never comes true fails its test
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST instead of FIN


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
