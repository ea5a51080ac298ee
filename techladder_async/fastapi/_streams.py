"""Walks as responses that are sent while they are walked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import attrs
import msgspec
from starlette.responses import StreamingResponse

from ..errors import TechLadderError
from ._errors import answer_to, log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable

    from starlette.types import Send

    from .._page import Page
    from .._pagination import Paginator

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # the second one is for nginx
_HEARTBEAT_EVERY = 15.0  # seconds; proxies commonly give up on a silent connection after 30 to 60
_HEARTBEAT = b":\n\n"

encode = msgspec.json.encode


class Writable(Protocol):
    """An item of a listing."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        ...


def stream_ndjson(paginator: Paginator[Any]) -> StreamingResponse:
    """Return a response that walks the listing and sends each item as a line of JSON, page by page.

    The walk ends when the reader goes away. An error of the API before the first page is raised, so that
    `add_exception_handlers` answers with its status; a later one is the last line:
    `{"error": {"status": 502, "detail": …, "page": 3}}`, with the page to go on from.
    """
    return ClosingResponse(_ndjson(paginator), "application/x-ndjson")


def stream_sse(paginator: Paginator[Any]) -> StreamingResponse:
    """Return a response that walks the listing and sends each item as a server-sent event, page by page.

    Items are `message` events; the last event is `end`, with the walk's report, or `error`, with what the last line of
    `stream_ndjson` holds. A browser connects, and so walks, again unless its script closes the `EventSource` on both.
    Comments keep the connection alive while a page is waited for. Otherwise like `stream_ndjson`.
    """
    return ClosingResponse(_sse(paginator), "text/event-stream", heartbeat_every=_HEARTBEAT_EVERY)


def event(name: str, data: Any) -> bytes:
    """Return a server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(data))


class ClosingResponse(StreamingResponse):
    """Streams chunks, and closes their generator whatever ends the stream."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], media_type: str, *, heartbeat_every: float | None = None
    ) -> None:
        super().__init__(chunks, media_type=media_type, headers=_HEADERS)
        self._chunks = chunks
        self._heartbeat_every = heartbeat_every

    async def stream_response(self, send: Send) -> None:
        """Send it all. An error before the first chunk is raised before the status is sent."""
        async with _closing(self._chunks) as chunks:
            first = await anext(chunks, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async with _closing(self._paced(chunks)) as rest:
                async for chunk in rest:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _paced(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        return chunks if self._heartbeat_every is None else _with_heartbeats(chunks, self._heartbeat_every)


async def _ndjson(paginator: Paginator[Writable]) -> AsyncGenerator[bytes, None]:
    pages = _Pages(paginator)
    async with _closing(pages):
        await pages.turn()
        while pages.current is not None:
            yield b"".join(encode(item.to_dict()) + b"\n" for item in pages.current)
            await pages.turn_or_note()
        if pages.error is not None:
            yield encode({"error": pages.error}) + b"\n"


async def _sse(paginator: Paginator[Writable]) -> AsyncGenerator[bytes, None]:
    pages = _Pages(paginator)
    async with _closing(pages):
        await pages.turn()
        while pages.current is not None:
            yield b"".join(b"data: " + encode(item.to_dict()) + b"\n\n" for item in pages.current)
            await pages.turn_or_note()
        yield event("end", attrs.asdict(paginator.report)) if pages.error is None else event("error", pages.error)


class _Pages:
    """The pages of a walk, of which the error is kept once something has been sent."""

    def __init__(self, paginator: Paginator[Writable]) -> None:
        self._walk = paginator.pages()
        self.current: Iterable[Writable] | None = None
        self.error: dict[str, Any] | None = None

    async def turn(self) -> None:
        """Go to the next page; there is none at the end."""
        page: Page[Writable] | None = await anext(self._walk, None)
        self.current = page

    async def turn_or_note(self) -> None:
        """Go to the next page, or to the end with the error noted."""
        try:
            await self.turn()
        except TechLadderError as error:
            answer = answer_to(error)
            log(error, answer)
            self.current, self.error = None, {"status": answer.status, "detail": answer.detail, "page": error.page}

    async def aclose(self) -> None:
        await self._walk.aclose()


async def _with_heartbeats(chunks: AsyncGenerator[bytes, None], every: float) -> AsyncGenerator[bytes, None]:
    while True:
        step = asyncio.ensure_future(anext(chunks, None))
        try:
            while not (await asyncio.wait({step}, timeout=every))[0]:
                yield _HEARTBEAT
        finally:
            if not step.done():
                step.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({step})
        chunk = step.result()
        if chunk is None:
            return
        yield chunk


class _Closable(Protocol):
    def aclose(self) -> Awaitable[None]: ...


_C = TypeVar("_C", bound=_Closable)


@asynccontextmanager
async def _closing(thing: _C) -> AsyncIterator[_C]:
    """Close it at the end, also where the reader's going away has cancelled everything."""
    try:
        yield thing
    finally:
        with anyio.CancelScope(shield=True):
            await thing.aclose()
