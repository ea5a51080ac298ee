"""One HTTP exchange over aiohttp: `Request` to `Response`, the key added, the body read whole.

This is the only file of the core that imports aiohttp, and the only one that sees its exceptions. They hold the
request's headers, so none of them is chained to what is raised here.
"""

from __future__ import annotations

import asyncio
import math
import time
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from weakref import WeakSet

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ._backoff import is_number
from ._body import ACCEPT_ENCODING, BodyTooLargeError, BrokenBodyError, read_body
from ._text import masked, one_line
from ._wire import Response
from .errors import APIConnectionError, APITimeoutError, ConfigurationError, ResponseDecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.client_proto import ResponseHandler

    from ._config import Settings
    from ._wire import Request

USER_AGENT = f"techladder_async/{version('techladder_async')} aiohttp/{aiohttp.__version__}"

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
        self._connector: _Connector | None = None
        self._clock = clock

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._base_url

    def url(self, request: Request) -> str:
        """Return the request's URL."""
        query = f"?{urlencode(request.params)}" if request.params else ""
        return f"{self._base_url}{request.path}{query}"

    def redact(self, text: str) -> str:
        """Return the text with the key masked."""
        return masked(text, self._api_key)

    async def send(self, request: Request, timeout: aiohttp.ClientTimeout) -> Response:  # noqa: ASYNC109  aiohttp's own
        """Make one exchange.

        Raises `APIConnectionError` where there is no whole answer, `APITimeoutError` where it is not there in time, and
        `ResponseDecodeError` where it is larger than the client allows.
        """
        began = self._clock()
        timeout = _within(timeout, request, began)
        try:
            status, headers, body = await self._exchange(request, timeout)
        except TimeoutError:
            failure: APIConnectionError = APITimeoutError(
                f"no complete answer within {timeout.total or self._clock() - began:g} s: "
                "raise timeout=..., or ask for smaller pages"
            )
        except asyncio.CancelledError:
            if _was_asked_for():
                raise
            # The pool of a session that closes cancels those who wait for a connection.
            failure = APIConnectionError("the session was closed while this request was under way")
        except (aiohttp.ClientError, BrokenBodyError, OSError) as error:
            failure = APIConnectionError(f"no usable answer: {self._told(error)}. Check the network and base_url")
        else:
            return Response(status, self._safe(headers), self._safe_body(status, body), seconds=self._clock() - began)
        # Raised out here, so that aiohttp's exception does not become its context.
        raise failure

    async def _exchange(self, request: Request, timeout: aiohttp.ClientTimeout) -> tuple[int, CIMultiDict[str], bytes]:  # noqa: ASYNC109
        session = self._session()
        async with session.request(
            request.method,
            URL(self.url(request), encoded=True),
            headers={**request.headers, **self._headers} if request.headers else self._headers,
            timeout=timeout,
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            middlewares=(*session._middlewares, _send_once),  # noqa: SLF001  the argument replaces the session's own
        ) as answer:
            return answer.status, CIMultiDict(answer.headers), await self._body(answer)

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
                msg = "the aiohttp.ClientSession that this client was given is closed"
                raise RuntimeError(msg)
            return self._given
        if self._own is None:
            # Here and not before: a session wants a running event loop.
            self._connector = _Connector()
            self._own = aiohttp.ClientSession(connector=self._connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._own

    def distrust_connections(self) -> None:
        """Let no connection that is open now serve another request: one of them answered another question."""
        if self._connector is not None:
            self._connector.distrust()

    async def close(self) -> None:
        """Close the connections, unless they are those of a session of the caller's."""
        if self._own is not None:
            await self._own.close()

    def _safe(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        if any(self._api_key in value for value in headers.values()):
            return CIMultiDict((name, self.redact(value)) for name, value in headers.items())
        return headers

    def _safe_body(self, status: int, body: bytes) -> bytes:
        # A success is data, which is not to be altered; it is masked where an error is made of it.
        if status < _FIRST_ERROR:
            return body
        return masked_bytes(body, self._api_key)

    def _told(self, error: Exception) -> str:
        # A ClientResponseError's own text is its message; its repr and args hold the request's headers.
        text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        return one_line(self.redact(f"{type(error).__name__}: {text}" if text else type(error).__name__)).rstrip(".")

    def __repr__(self) -> str:
        return f"<Transport {self._base_url}>"


def masked_bytes(body: bytes, secret: str) -> bytes:
    """Return the body without the secret."""
    return body.replace(secret.encode(), b"sk_***")


def _check_session(session: aiohttp.ClientSession) -> None:
    if not isinstance(session, aiohttp.ClientSession):
        msg = f"session must be an aiohttp.ClientSession, not {type(session).__name__}"
        raise ConfigurationError(msg)
    if session.auth is not None:
        msg = "the session has an auth of its own, which cannot be combined with the API key: give one without"
        raise ConfigurationError(msg)


def _within(timeout: aiohttp.ClientTimeout, request: Request, now: float) -> aiohttp.ClientTimeout:
    """Return the time-out, cut to what the request's deadline leaves."""
    if request.deadline is None:
        return timeout
    left = request.deadline - now
    if timeout.total is not None and timeout.total <= left:
        return timeout
    if left <= 0:
        msg = "no time is left for another attempt: raise max_elapsed"
        raise APITimeoutError(msg)
    return aiohttp.ClientTimeout(
        total=left,
        connect=timeout.connect,
        sock_read=timeout.sock_read,
        sock_connect=timeout.sock_connect,
        ceil_threshold=math.inf,
    )


def _was_asked_for() -> bool:
    """Return whether somebody cancelled this task, rather than a future that it waits for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class _DroppedError(aiohttp.ClientError):
    """The connection was dropped."""


async def _send_once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending an idempotent request a second time by itself, uncounted and without a wait.

    It does so for these two exceptions; attempts, the retry budget and the rate limit are the chain's business.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        text = str(error) or type(error).__name__
    raise _DroppedError(f"the connection was dropped ({text})")


class _Connector(aiohttp.TCPConnector):
    """A pool that never reuses a connection on which something came that nobody had asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._trusted: WeakSet[ResponseHandler] = WeakSet()
        self._distrusted: WeakSet[ResponseHandler] = WeakSet()

    def distrust(self) -> None:
        self._distrusted |= self._trusted
        self._trusted = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own signature
    ) -> aiohttp.connector.Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None or (not protocol.should_close and protocol not in self._distrusted):
                if protocol is not None:
                    self._trusted.add(protocol)
                return connection
            connection.close()
