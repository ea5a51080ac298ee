"""The middleware chain: what happens around one HTTP exchange. It knows `Request` and `Response`, and no network.

`compose` puts a chain together; the built-in links are `retry.py` and `rate_limit.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rate_limit import RateLimitMiddleware
from .retry import RetryMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._wire import Handler, Middleware, Request, Response

__all__ = ["RateLimitMiddleware", "RetryMiddleware", "compose"]


def compose(middlewares: Iterable[Middleware], handler: Handler) -> Handler:
    """Wrap the handler: the first middleware is the outermost."""
    for middleware in reversed(tuple(middlewares)):
        handler = _wrap(middleware, handler)
    return handler


def _wrap(middleware: Middleware, inner: Handler) -> Handler:
    # A coroutine function, whatever the middleware is: what it gives can be made a task.
    async def handle(request: Request) -> Response:
        return await middleware(request, inner)

    return handle
