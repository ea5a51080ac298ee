"""Between a resource and the chain: runs a call within the client's lifetime, and turns statuses into errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import attrs

from ._envelope import Envelope, error_of
from ._quick import decode_page
from ._wire import Attempt, Response
from .errors import PaginationError, ResponseDecodeError, TechLadderError

if TYPE_CHECKING:
    from ._lifetime import Lifetime
    from ._page import Page
    from ._transport import Transport
    from ._wire import Handler, Request

T = TypeVar("T")

_FIRST_ERROR = 300


@attrs.frozen
class Api:
    """What a resource needs of its client."""

    lifetime: Lifetime
    handler: Handler
    transport: Transport

    async def get_page(self, request: Request, item: type[T]) -> Page[T]:
        """Fetch and decode one page of a listing. Raises any `TechLadderError`, with the facts of the request on it."""
        response: Response | None = None
        try:
            with self.lifetime.call():
                response = await self.handler(request)
            return self._page(request, response, item)
        except TechLadderError as error:
            self.explain(error, request)
            _add_history(error, response)
            raise

    def explain(self, error: TechLadderError, request: Request) -> None:
        """Put the facts of the request on an error."""
        error.method = request.method
        error.url = self.transport.shown_url(request)
        error.page = request.page

    def _page(self, request: Request, response: Response, item: type[T]) -> Page[T]:
        if not isinstance(response, Response):
            msg = f"a middleware returned {response!r} in place of a Response: does it return what its handler did?"
            raise TypeError(msg)
        if response.status >= _FIRST_ERROR:
            raise error_of(response, self.transport.redact, time.time())
        page = self._decoded(response, item)
        if isinstance(page, Envelope):
            raise error_of(response, self.transport.redact, time.time(), page)
        if page.page != request.page:
            # Perhaps an answer to somebody else's question, left over on the connection.
            self.transport.distrust_connections()
            msg = f"page {request.page} was asked for, and page {page.page} answered"
            raise PaginationError(msg)
        return page

    def _decoded(self, response: Response, item: type[T]) -> Page[T] | Envelope:
        try:
            return decode_page(response.body, item)
        except ResponseDecodeError as error:
            error.args = (self.transport.redact(error.args[0]),)  # it may quote the answer
            raise


def _add_history(error: TechLadderError, response: Response | None) -> None:
    if response is not None and not error.history:
        error.history = response.history or (Attempt(response.status, None, None),)
    error.attempts = error.attempts or len(error.history)
