"""Where aiohttp needs help with connections: no resending, no leftover answers, no reader that waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.client_proto import ResponseHandler


class DroppedError(aiohttp.ClientError):
    """The connection was dropped."""


async def send_once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending an idempotent request a second time by itself, uncounted and without a wait.

    It does so for these two exceptions; attempts, the retry budget and the rate limit are the chain's business.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        # aiohttp's message is an object where half a head had come.
        cut = not isinstance(getattr(error, "message", ""), str)
        text = "in the middle of the response's head" if cut else str(error) or type(error).__name__
    raise DroppedError(f"the connection was dropped ({text})")


def connection_of(answer: aiohttp.ClientResponse) -> ResponseHandler | None:
    """Return the connection that the answer came on; the public property is empty as soon as the body is complete."""
    protocol: ResponseHandler | None = getattr(answer, "_protocol", None)  # a response made by a mock has none
    return protocol


@contextmanager
def ending_with_its_connection(answer: aiohttp.ClientResponse) -> Iterator[None]:
    """Let the body fail when its connection goes.

    aiohttp does so itself, but not where its session is closed by somebody else: the reader would wait for ever.
    """
    protocol = None if answer.content.is_eof() else connection_of(answer)
    closed = None if protocol is None else protocol.closed

    def fail(_: object) -> None:
        if not answer.content.is_eof() and answer.content.exception() is None:
            answer.content.set_exception(DroppedError("the connection was closed"))

    if closed is None:
        yield
        return
    closed.remove_done_callback(_look)
    closed.add_done_callback(_look)
    closed.add_done_callback(fail)
    try:
        yield
    finally:
        closed.remove_done_callback(fail)


def _look(closed: asyncio.Future[None]) -> None:
    """Look at why a connection ended, lest asyncio report it as never retrieved."""
    if not closed.cancelled():
        closed.exception()


class Connections:
    """Which connections were used, and which of them are not to be used again."""

    def __init__(self) -> None:
        self._used: WeakSet[ResponseHandler] = WeakSet()
        self._distrusted: WeakSet[ResponseHandler] | None = None

    def add(self, protocol: ResponseHandler) -> None:
        """Remember a connection."""
        self._used.add(protocol)

    def note(self, answer: aiohttp.ClientResponse) -> None:
        """Remember the connection that the answer comes on."""
        protocol = connection_of(answer)
        if protocol is not None:
            self.add(protocol)

    def distrust(self) -> None:
        """Let no connection that was used up to now be used again."""
        self._distrusted = self._used | (self._distrusted or WeakSet())
        self._used = WeakSet()

    def drop_distrusted(self) -> None:
        """Drop them. What is under way on one of them gets a connection error, and is tried again."""
        for protocol in tuple(self._distrusted or ()):
            if protocol.transport is not None:
                protocol.transport.abort()

    def usable(self, protocol: ResponseHandler) -> bool:
        """Return whether nothing came on the connection that nobody had asked for, and it is not distrusted."""
        return not protocol.should_close and (self._distrusted is None or protocol not in self._distrusted)


class Connector(aiohttp.TCPConnector):
    """A pool that never reuses a connection on which something came that nobody had asked for."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own signature
    ) -> aiohttp.connector.Connection:
        """Return a connection on which nothing waits to be taken for an answer."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or self._connections.usable(protocol):
                return connection
            connection.close()

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own signature
    ) -> ResponseHandler:
        protocol = await super()._create_connection(req, traces, timeout)
        self._connections.add(protocol)
        return protocol
