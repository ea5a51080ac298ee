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
"""

from typing import TYPE_CHECKING

from ._backoff import RetryPolicy
from ._client import AsyncTechLadder
from ._middleware import RateLimitMiddleware, RetryMiddleware
from ._page import Page
from ._pagination import Paginator
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

__version__: str
"""The version that is installed."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        # Reading the metadata takes longer than importing most of the package, and few programs ask.
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            return version("techladder_async")
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
