"""Between a resource and the chain: runs a call within the client's lifetime, and turns statuses into errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import attrs

from ._decode import decode_page
from ._envelope import Envelope, error_of
from ._wire import Attempt, Request, Response
from .errors import PaginationError, ResponseDecodeError, TechLadderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._lifetime import Lifetime
    from ._page import Page
    from ._transport import Transport
    from ._wire import Handler

T = TypeVar("T")

_FIRST_ERROR = 300


@attrs.frozen
class Api:
    """What a resource needs of its client."""

    lifetime: Lifetime
    handler: Handler
    transport: Transport

    async def get_page(self, path: str, params: Mapping[str, str], item: type[T]) -> Page[T]:
        """Fetch and decode one page of a listing. Raises any `TechLadderError`, with the facts of the request on it."""
        request = Request("GET", path, params)
        response: Response | None = None
        try:
            with self.lifetime.call():
                response = await self.handler(request)
            return self._page(request, response, item)
        except TechLadderError as error:
            self._complete(error, request, response)
            raise

    def _page(self, request: Request, response: Response, item: type[T]) -> Page[T]:
        if response.status >= _FIRST_ERROR:
            raise error_of(response, self.transport.redact, time.time())
        page = decode_page(response.body, item)
        if isinstance(page, Envelope):
            raise error_of(response, self.transport.redact, time.time(), page)
        if page.page != request.page:
            # Perhaps an answer to somebody else's question, left over on the connection.
            self.transport.distrust_connections()
            msg = f"page {request.page} was asked for, and page {page.page} answered"
            raise PaginationError(msg)
        return page

    def _complete(self, error: TechLadderError, request: Request, response: Response | None) -> None:
        error.method = request.method
        error.url = self.transport.redact(self.transport.url(request))
        error.page = request.page
        if isinstance(error, ResponseDecodeError):
            error.args = (self.transport.redact(error.args[0]),)
        if response is not None and not error.history:
            error.history = response.history or (Attempt(response.status, None, None),)
        error.attempts = error.attempts or len(error.history)
