"""Asyncio SDK for the TechLadder public API: every call batch of an account, page by page, as typed items.

    async with AsyncTechLadder() as client:
        async for batch in client.call_batches.list(status="active"):
            print(batch.schedule_id, f"{batch.progress:.0%}")

How a request flows; each layer knows only the one to its right:

    AsyncTechLadder ── call_batches ── Paginator ── middleware chain ── transport (aiohttp)
     session manager    resource        walks pages   yours, retry,       one HTTP exchange,
     config, lifetime   arguments       yields items  rate limit          body read whole
                                            │
                                         decoder (cattrs): bytes → Page[CallBatch]

A `Middleware` is called with a `Request` and with the `Handler` that answers it, the rest of the chain, and returns a
`Response`. `CallBatch` and `Page` are plain values, and everything raised on purpose is a `TechLadderError`.

Optional modules: `sandbox` (the API on a loopback socket), `hooks` and `otel` (watching requests), `fastapi`,
`pytest_plugin`, and the command line `techladder`.

`__version__` is the version that is installed.
"""

from ._backoff import RetryPolicy
from ._client import AsyncTechLadder
from ._middleware import RateLimitMiddleware, RetryMiddleware
from ._page import Page
from ._pagination import Paginator
from ._version import __version__
from ._walk import WalkReport
from ._wire import Attempt, Handler, Middleware, Request, Response
from .errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    TechLadderError,
    ValidationError,
)
from .models import BatchStatus, CallBatch, StartMode

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncTechLadder",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "BatchStatus",
    "CallBatch",
    "ConfigurationError",
    "Handler",
    "Middleware",
    "NotFoundError",
    "Page",
    "PaginationError",
    "Paginator",
    "PermissionDeniedError",
    "RateLimitError",
    "RateLimitMiddleware",
    "Request",
    "Response",
    "ResponseDecodeError",
    "RetryMiddleware",
    "RetryPolicy",
    "ServerError",
    "StartMode",
    "TechLadderError",
    "ValidationError",
    "WalkReport",
    "__version__",
]
