"""One HTTP exchange over aiohttp: `Request` to `Response`, the key added, the body read whole.

This file and `_pool.py`, which it uses, are the only ones of the core that import aiohttp and see its exceptions. They
hold the request's headers, so none of them is chained to what is raised here.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from ._backoff import is_number
from ._body import ACCEPT_ENCODING, BodyTooLargeError, BrokenBodyError, read_body
from ._pool import Connections, Connector, ending_with_its_connection, send_once
from ._text import MASK, masked, one_line
from ._time_limit import TimeLimits
from ._version import __version__
from ._wire import Response
from .errors import APIConnectionError, APITimeoutError, ConfigurationError, ResponseDecodeError, TechLadderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ._config import Settings
    from ._time_limit import TimeLimit
    from ._wire import Handler, Headers, Request

USER_AGENT = f"techladder_async/{__version__} aiohttp/{aiohttp.__version__}"

_TOTAL = 30.0
_CONNECT = 10.0
_FIRST_ERROR = 300


def client_timeout(timeout: float | aiohttp.ClientTimeout | None) -> aiohttp.ClientTimeout:
    """Return aiohttp's form of a time-out for one attempt. Raises `ConfigurationError`."""
    if timeout is None:
        return aiohttp.ClientTimeout(total=_TOTAL, sock_connect=_CONNECT)
    if isinstance(timeout, aiohttp.ClientTimeout):
        for seconds in (timeout.total, timeout.connect, timeout.sock_read, timeout.sock_connect):
            if seconds is not None:
                _check_seconds(seconds)
        return timeout
    _check_seconds(timeout)
    return aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, _CONNECT))


def _check_seconds(seconds: float) -> None:
    # aiohttp takes 0 and less for no limit at all.
    if not is_number(seconds) or seconds <= 0:
        msg = f"a time-out is a number of seconds above 0 or an aiohttp.ClientTimeout of such, not {seconds!r}"
        raise ConfigurationError(msg)


class Transport:
    """A pool of connections to one API, with the key. It is shared by a client and those made with `with_options`."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if session is not None:
            _check_session(session)
        self._base_url = settings.base_url
        self._api_key = settings.api_key
        self._max_bytes = settings.max_response_bytes
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "Authorization": f"Bearer {settings.api_key}",
            "User-Agent": USER_AGENT,
        }
        self._given = session
        self._own: aiohttp.ClientSession | None = None
        self._connections = Connections()
        self._time_limits = TimeLimits()
        self._clock = clock

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._base_url

    def url(self, request: Request) -> URL:
        """Return the request's URL."""
        # Without the query, yarl has it in a cache; with it, it would be parsed again for each page.
        return URL(f"{self._base_url}{request.path}", encoded=True).with_query(request.params)

    def shown_url(self, request: Request) -> str:
        """Return the request's URL with the key masked, should it be in there."""
        return self.redact(str(self.url(request)))

    def redact(self, text: str) -> str:
        """Return the text with the key masked."""
        return masked(text, self._api_key)

    def sender(self, timeout: aiohttp.ClientTimeout) -> Handler:
        """Return the handler that makes exchanges within this time-out."""
        total = timeout.total
        rest = attrs.evolve(timeout, total=None)  # the total is our own business: see `_time_limit.py`

        def send(request: Request) -> Awaitable[Response]:
            return self._send(request, total, rest)

        return send

    async def _send(self, request: Request, total: float | None, rest: aiohttp.ClientTimeout) -> Response:
        """Make one exchange.

        Raises `APIConnectionError` where there is no whole answer, `APITimeoutError` where it is not there in time, and
        `ResponseDecodeError` where it is larger than the client allows; `ConfigurationError` where the given session
        brings a login of its own.
        """
        began = self._clock()
        limit = self._limit(request, total, began)
        try:
            with limit:
                status, headers, body = await self._exchange(request, rest)
        except TimeoutError:
            failure: TechLadderError = APITimeoutError(
                f"no complete answer within {self._clock() - began:.3g} s: "
                "raise timeout=... or max_elapsed=..., or ask for smaller pages"
            )
        except asyncio.CancelledError:
            if limit.cancelled or not self._session_is_closed:
                raise
            # The pool of a session that closes cancels those who wait for a connection; nobody cancelled this task.
            failure = _SessionClosedError(_CLOSED)
        except (aiohttp.ClientError, BrokenBodyError, OSError) as error:
            failure = self._connection_error(error)
        except ValueError:
            if self._given is None or not self._given.trust_env:
                raise
            failure = ConfigurationError(_NETRC)
        else:
            return Response(status, self._safe(headers), self._safe_body(status, body), seconds=self._clock() - began)
        # Raised out here, so that aiohttp's exception does not become its context.
        try:
            raise failure
        finally:
            del failure  # its traceback leads here: a cycle, which would keep all of this until the collector comes

    def _limit(self, request: Request, total: float | None, now: float) -> TimeLimit:
        """Return the bound of one exchange: the time-out's total, or what the request's deadline leaves of it."""
        left = math.inf if request.deadline is None else request.deadline - now
        if left <= 0:
            msg = "no time is left for another attempt: raise max_elapsed"
            raise APITimeoutError(msg)
        return self._time_limits.within(left if total is None else min(total, left))

    async def _exchange(self, request: Request, rest: aiohttp.ClientTimeout) -> tuple[int, Headers, bytes]:
        session = self._session()
        async with session.request(
            request.method,
            self.url(request),
            headers=self._headers_of(request),
            timeout=rest,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            middlewares=(*session._middlewares, send_once),  # noqa: SLF001  the argument replaces the session's own
        ) as answer:
            if session is self._own:
                return answer.status, answer.headers, await self._body(answer)
            self._connections.note(answer)
            with ending_with_its_connection(answer):
                return answer.status, answer.headers, await self._body(answer)

    def _headers_of(self, request: Request) -> Mapping[str, str]:
        if not request.headers:
            return self._headers
        headers = CIMultiDict(request.headers)
        headers.update(self._headers)
        return headers

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        length = answer.content_length
        encoding = answer.headers.get("Content-Encoding", "")
        if length is not None and length <= self._max_bytes and not encoding:
            return await answer.read()
        try:
            if length is not None and length > self._max_bytes:
                raise BodyTooLargeError
            return await read_body(answer.content.iter_any(), encoding, self._max_bytes)
        except BodyTooLargeError:
            raise self._too_large() from None

    def _too_large(self) -> ResponseDecodeError:
        return ResponseDecodeError(
            f"the answer is larger than max_response_bytes={self._max_bytes}: ask for smaller pages, or raise it"
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            if self._given.closed:
                raise _SessionClosedError(_CLOSED)
            return self._given
        if self._own is None:
            # Here and not before: a session wants a running event loop.
            connector = Connector(self._connections)
            self._own = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._own

    @property
    def _session_is_closed(self) -> bool:
        session = self._own or self._given
        return session is not None and session.closed

    def distrust_connections(self) -> None:
        """Let no connection that is open now serve another request: one of them answered another question."""
        self._connections.distrust()
        if self._given is not None:
            self._connections.drop_distrusted()

    async def close(self) -> None:
        """Close the connections, unless they are those of a session of the caller's."""
        self._time_limits.stop()
        if self._own is not None:
            await self._own.close()

    def _safe(self, headers: Headers) -> Headers:
        if self._api_key in "\n".join((*headers, *headers.values())):
            return CIMultiDict((self.redact(name), self.redact(value)) for name, value in headers.items())
        return headers

    def _safe_body(self, status: int, body: bytes) -> bytes:
        # A success is data, which is not to be altered; it is masked where an error is made of it.
        if status < _FIRST_ERROR:
            return body
        return masked_bytes(body, self._api_key)

    def _connection_error(self, error: Exception) -> APIConnectionError:
        if self._session_is_closed:
            return _SessionClosedError(_CLOSED)
        return APIConnectionError(f"no usable answer: {self._told(error)}. Check the network and base_url")

    def _told(self, error: Exception) -> str:
        # A ClientResponseError's own text is its message; its repr and args hold the request's headers.
        text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        return one_line(self.redact(f"{type(error).__name__}: {text}" if text else type(error).__name__)).rstrip(".")

    def __repr__(self) -> str:
        return f"<Transport {self._base_url}>"


def masked_bytes(body: bytes, secret: str) -> bytes:
    """Return the body without the secret."""
    return body.replace(secret.encode(), MASK.encode())


def _check_session(session: aiohttp.ClientSession) -> None:
    if not isinstance(session, aiohttp.ClientSession):
        msg = f"session must be an aiohttp.ClientSession, not {type(session).__name__}"
        raise ConfigurationError(msg)
    if session.auth is not None:
        msg = "the session has an auth of its own, which cannot be combined with the API key: give one without"
        raise ConfigurationError(msg)


_NETRC = ".netrc, which the given session reads, has a login for this host beside the API key: use trust_env=False"
_CLOSED = "the aiohttp.ClientSession of this client is closed: keep it open as long as the client"


class _SessionClosedError(APIConnectionError, RuntimeError):
    """The session that was given is closed: no other attempt can help, hence the second base."""
