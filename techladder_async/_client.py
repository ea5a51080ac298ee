"""`AsyncTechLadder`: puts the layers together, and opens and closes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ._backoff import RetryBudget, RetryPolicy
from ._config import DEFAULT_MAX_RESPONSE_BYTES, Settings, switch_on_logging
from ._lifetime import Lifetime
from ._middleware import RateLimitMiddleware, RetryMiddleware, compose
from ._transport import Transport, client_timeout
from .errors import ConfigurationError
from .hooks import log_attempt

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import aiohttp

    from ._resources.call_batches import CallBatches
    from ._wire import Middleware
    from .hooks import Hook


class _Shared(NamedTuple):
    """What a client shares with those that `with_options` makes of it."""

    transport: Transport
    gate: RateLimitMiddleware
    budget: RetryBudget
    hooks: tuple[Hook, ...]


class _Options(NamedTuple):
    """What `with_options` replaces."""

    timeout: aiohttp.ClientTimeout
    retry: RetryPolicy
    middlewares: tuple[Middleware, ...]


class AsyncTechLadder:
    """A session with the TechLadder public API.

    Use it as `async with AsyncTechLadder() as client:`, or call `await client.close()` yourself. One client serves a
    whole program: it holds a pool of connections, the rate limit's gate and the retry budget. It may be made outside an
    event loop, and belongs to the loop of its first request.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | aiohttp.ClientTimeout | None = None,
        retry: RetryPolicy | None = None,
        middlewares: Iterable[Middleware] = (),
        session: aiohttp.ClientSession | None = None,
        hooks: Iterable[Hook] = (),
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
        allow_insecure: bool = False,
    ) -> None:
        """Check the settings. Nothing is sent.

        Args:
            api_key: The API key; without it, `TECHLADDER_API_KEY` of the environment.
            base_url: Where the API is; without it, `TECHLADDER_BASE_URL`, then the documented host.
            timeout: Seconds for one attempt, the body included, or an `aiohttp.ClientTimeout`. Default: 30 s, of which
                10 s to connect.
            retry: What is tried again. `RetryPolicy.none()` for nothing.
            middlewares: Your own, the first outermost. They wrap the built-in ones.
            session: A session of yours. It is used, never changed and never closed.
            hooks: Callables that get an `AttemptRecord` after each attempt.
            max_response_bytes: The largest body that is read, in bytes, after decompression. Default: 16 MiB.
            allow_insecure: Whether the key may go over plain http to a host that is not this one.

        Raises:
            ConfigurationError: A setting makes no sense.

        """
        switch_on_logging()
        settings = Settings.resolve(
            api_key, base_url, allow_insecure=allow_insecure, max_response_bytes=max_response_bytes
        )
        shared = _Shared(
            Transport(settings, session),
            RateLimitMiddleware(),
            RetryBudget(),
            (log_attempt, *_callables("hooks", hooks)),
        )
        options = _Options(client_timeout(timeout), _policy(retry), _callables("middlewares", middlewares))
        self._assemble(shared, options, Lifetime(), derived=False)

    def _assemble(self, shared: _Shared, options: _Options, lifetime: Lifetime, *, derived: bool) -> None:
        from ._api import Api  # noqa: PLC0415  with it comes msgspec: the import of the package stays light
        from ._resources.call_batches import CallBatches  # noqa: PLC0415  likewise

        self._shared = shared
        self._options = options
        self._lifetime = lifetime
        self._derived = derived
        send = shared.transport.sender(options.timeout)
        retry = RetryMiddleware(options.retry, budget=shared.budget, hooks=shared.hooks, url=shared.transport.shown_url)
        handler = compose((*options.middlewares, retry, shared.gate), lifetime.guard(send))
        self._call_batches = CallBatches(Api(lifetime, handler, shared.transport))

    @property
    def call_batches(self) -> CallBatches:
        """The account's call batches."""
        return self._call_batches

    def with_options(
        self,
        *,
        timeout: float | aiohttp.ClientTimeout | None = None,
        retry: RetryPolicy | None = None,
        middlewares: Iterable[Middleware] | None = None,
    ) -> Self:
        """Return a client in which these replace this one's, and which shares its connections, gate and retry budget.

        Closing it leaves this one open; closing this one closes both.
        """
        changes: dict[str, Any] = {}
        if timeout is not None:
            changes["timeout"] = client_timeout(timeout)
        if retry is not None:
            changes["retry"] = _policy(retry)
        if middlewares is not None:
            changes["middlewares"] = _callables("middlewares", middlewares)
        other = object.__new__(type(self))
        other._assemble(self._shared, self._options._replace(**changes), Lifetime(self._lifetime), derived=True)
        return other

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._lifetime.closed

    async def close(self) -> None:
        """Close the client. What is under way ends with an `APIConnectionError` that says so. Safe to call twice."""
        self._lifetime.end()
        try:
            await self._lifetime.ended()
        finally:
            if not self._derived:
                await self._shared.transport.close()

    async def __aenter__(self) -> Self:
        self._lifetime.check()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._shared.transport.base_url}{' closed' if self.closed else ''}>"


def _policy(retry: RetryPolicy | None) -> RetryPolicy:
    if retry is None:
        return RetryPolicy()
    if not isinstance(retry, RetryPolicy):
        msg = f"retry must be a RetryPolicy, not {type(retry).__name__}: RetryPolicy.none() switches retries off"
        raise ConfigurationError(msg)
    return retry


def _callables(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    if not isinstance(values, Iterable) or not all(map(callable, given := tuple(values))):
        msg = f"{name} must be a sequence of callables, not {values!r}"
        raise ConfigurationError(msg)
    return given
