"""What was asked of the sandbox and how it answered. The log never holds a key."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@attrs.frozen
class LoggedRequest:
    """One request that reached the sandbox."""

    method: str
    """The HTTP method: `"GET"`."""
    path: str
    """The path, without the query."""
    query: dict[str, str]
    """The query's parameters, decoded."""
    status: int | None = None
    """The status that was sent; `None` while there is none, and for good where the connection was reset or given up."""
    headers: dict[str, str] = attrs.field(factory=dict, repr=False)
    """The request's headers; those that hold secrets (`Authorization`, cookies) read `***`."""


class RequestLog:
    """The requests in the order of their arrival. May be used from any thread."""

    def __init__(self) -> None:
        self._entries: dict[int, LoggedRequest] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def open(self, method: str, path: str, query: dict[str, str], headers: Mapping[str, str]) -> int:
        """Note a request that has arrived; return the number by which to `close` it."""
        shown = {name: "***" if name.lower() in _SECRET_HEADERS else value for name, value in headers.items()}
        with self._lock:
            number = next(self._numbers)
            self._entries[number] = LoggedRequest(method, path, query, headers=shown)
        return number

    def close(self, number: int, status: int) -> None:
        """Note the status that a request is answered with, unless it was cleared away."""
        with self._lock:
            if number in self._entries:
                self._entries[number] = attrs.evolve(self._entries[number], status=status)

    def entries(self) -> list[LoggedRequest]:
        """Return the requests so far."""
        with self._lock:
            return list(self._entries.values())

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._entries.clear()
