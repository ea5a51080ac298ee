"""What travels through the middleware chain: one HTTP exchange as plain values.

No socket, no key: the transport adds the key when it sends.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import attrs
from multidict import CIMultiDict, CIMultiDictProxy

from ._text import holds_half_character

if TYPE_CHECKING:
    from typing import TypeAlias

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

_CASE_INSENSITIVE = (CIMultiDict, CIMultiDictProxy)

_METHOD = re.compile(r"[A-Z]+", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)


def _case_insensitive(headers: Mapping[str, str]) -> Headers:
    return headers if isinstance(headers, _CASE_INSENSITIVE) else CIMultiDict(headers)


@functools.lru_cache(256)
def _check_target(method: str, path: str) -> None:
    if not _METHOD.fullmatch(method):
        msg = f"a request's method is a word in upper case, not {method!r}"
        raise ValueError(msg)
    # The key goes to base_url + path: a path that does not begin with a slash could name another host.
    if not _PATH.fullmatch(path):
        msg = f"a request's path begins with / and is percent-encoded, not {path!r}"
        raise ValueError(msg)


def _check_params(params: Mapping[str, str]) -> None:
    try:
        text = "".join((*params, *params.values()))
    except TypeError:
        msg = f"a request's parameters are strings, not {params!r}"
        raise TypeError(msg) from None
    if holds_half_character(text):
        msg = f"a request's parameters hold half a character, a lone surrogate: {params!r}"
        raise ValueError(msg)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            msg = f"the header {name!r} holds a character that HTTP does not allow"
            raise ValueError(msg)
        if name.lower() == "authorization":
            msg = "a request does not carry the Authorization header: the transport adds the key"
            raise ValueError(msg)


@attrs.frozen
class Request:
    """One request, without the key. `attrs.evolve` gives a changed copy.

    Raises `ValueError` for a method, path, parameter or header that could not be sent safely, and `TypeError` for a
    parameter that is no string.
    """

    method: str
    """The HTTP method in upper case: `"GET"`."""
    path: str
    """The path below the base URL, percent-encoded: `"/api/v1/public/call-batches"`."""
    params: Mapping[str, str] = attrs.field(factory=dict)
    """The query's parameters, not yet encoded."""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    """Headers beyond those that every request has."""
    deadline: float | None = attrs.field(default=None, kw_only=True)
    """The reading of `time.monotonic()`, in seconds, by which the answer must be there; `None`: no such bound."""

    def __attrs_post_init__(self) -> None:
        _check_target(self.method, self.path)
        _check_params(self.params)
        if self.headers:
            _check_headers(self.headers)

    def until(self, deadline: float) -> Request:
        """Return the request with a deadline, or itself where it has an earlier one."""
        if self.deadline is not None and self.deadline <= deadline:
            return self
        return Request(self.method, self.path, self.params, self.headers, deadline=deadline)

    @property
    def page(self) -> int | None:
        """The number of the page that is asked for, where the request asks for one."""
        page = self.params.get("page", "")
        return int(page) if page.isdecimal() else None


@attrs.frozen
class Attempt:
    """One try of a request that was tried more than once, or failed."""

    status: int | None
    """The HTTP status that was answered, or `None` where there was no answer."""
    error: str | None
    """What went wrong on the connection, or `None` where there was an answer."""
    wait: float | None
    """Seconds waited before the next try, or `None` where no other followed."""


@attrs.frozen
class Response:
    """One complete answer: the body has been read to its end."""

    status: int
    """The HTTP status."""
    headers: Headers = attrs.field(converter=_case_insensitive)
    """The headers, looked up without regard to case."""
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    """The body, decompressed."""
    seconds: float = attrs.field(default=0.0, kw_only=True)
    """How long the exchange took."""
    history: tuple[Attempt, ...] = attrs.field(default=(), kw_only=True)
    """Every try of the request, this answer's included; empty where the first one succeeded."""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
"""Answers a request: the rest of the chain."""

Middleware: TypeAlias = Callable[[Request, Handler], Awaitable[Response]]
"""Wraps a handler: calls it once, often or never, and returns a `Response` or raises a `TechLadderError`."""
