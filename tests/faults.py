"""Steps of the fault server's script: answers, right and wrong, and ways to break a connection.

A step is a value: a series of parts, done in order until the peer goes away. Steps join: `(*page(), 0.01, *reset())`.
"""

import asyncio
import functools
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, Self, Union
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve, frozen

CODES: Final = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 422: "VALIDATION_ERROR", 429: "RATE_LIMITED"}

Items = Iterable[Mapping[str, object]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
End = Enum("End", ["FIN", "RST"])

# bytes are sent, a number of seconds or an event is waited for, and a function makes the parts out of the request
Part = Union[bytes, float, asyncio.Event, End, "OnReuse", "Callable[[Received], Step]"]
Step = Iterable[Part]


@frozen
class Received:
    """One request as it came; `connection` counts the TCP connections from 1, header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    connection: int
    head: bytes

    @classmethod
    def parse(cls, head: bytes, connection: int) -> Self:
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = request_line.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        url = urlsplit(target)
        return cls(method, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers, connection, head)


@frozen
class OnReuse:
    """As a part: later requests on this connection meet `step`, and take nothing from the script."""

    step: Step


@frozen
class Answer:
    """A whole, right response, after which the connection stays open; a step of one part.

    Content-Type (JSON) and Content-Length are added unless `headers` has them or, for the length, a Transfer-Encoding.
    """

    body: bytes = b""
    status: int = 200
    headers: Headers = ()

    @property
    def head(self) -> bytes:
        """The status line and the headers, with the empty line that ends them."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body))} | dict(self.headers)
        if "Transfer-Encoding" in headers:
            del headers["Content-Length"]
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def __iter__(self) -> Iterator[bytes]:
        yield self.head + self.body

    def plus(self, name: str, value: str) -> "Answer":
        """Give the same answer with one more header."""
        return evolve(self, headers={**dict(self.headers), name: value})


def _envelope(status: int, message: str, fault: object, data: object, headers: Headers) -> Answer:
    envelope = {"status_code": status, "message": message, "error": fault, "data": data}
    return Answer(json.dumps(envelope).encode(), status, headers)


def page(items: Items = (), page: int = 1, *, headers: Headers = (), status: int = 200, **changes: object) -> Answer:
    """Give one page of a listing; `changes` are its `total`, `limit` (100) and `has_more` (false)."""
    items = list(items)
    total = (page - 1) * 100 + len(items) + bool(changes.get("has_more"))
    data = {"items": items, "total": total, "page": page, "limit": 100, "has_more": False, **changes}
    return _envelope(status, "Call batches fetched successfully", None, data, headers)


def error(
    status: int, code: str | None = None, message: str = "It failed", details: Iterable[str] = (), headers: Headers = ()
) -> Answer:
    """Give the documented error envelope; `code` is the documented one of the status unless given."""
    return _envelope(status, message, {"code": code or CODES.get(status), "details": list(details)}, None, headers)


def batch(n: int, **changes: object) -> dict[str, Any]:
    """Give the `n`th call batch, valid but for `changes`."""
    names = {"schedule_id": f"sched_{n:08x}", "agent_id": "agt-57949b14", "agent_name": f"Agent {n}"}
    kinds = {"version_id": "pmt-667ddf271b", "status": "pending", "start_mode": "scheduled"}
    counts = {"total_contacts": 150, "completed_contacts": 0, "failed_contacts": 0}
    times = {"scheduled_at": "2026-05-15T08:30:00Z", "created_at": "2026-05-14T10:00:00Z"}
    return {**names, **kinds, **counts, **times, **changes}


OK: Final = page([batch(1)])


def html(status: int = 502) -> Answer:
    """Give a proxy's error page."""
    return Answer(f"<html><body><h1>{status}</h1>nginx</body></html>".encode(), status, {"Content-Type": "text/html"})


def redirect(location: str, status: int = 302) -> Answer:
    """Send the client elsewhere."""
    return Answer(b"", status, {"Location": location})


def raw(data: bytes) -> Step:
    """Send exactly these bytes; the connection stays open."""
    return (data,)


def delay(seconds: float, then: Step = OK) -> Step:
    """Wait, then do `then`."""
    return (seconds, *then)


def wait_for(event: asyncio.Event, then: Step = OK) -> Step:
    """Do `then` once the event is set."""
    return (event, *then)


def respond(choose: Callable[[Received], Step]) -> Step:
    """Do what `choose` makes of the request."""
    return (choose,)


def reset() -> Step:
    """RST at this point."""
    return (End.RST,)


def close() -> Step:
    """FIN at this point."""
    return (End.FIN,)


def hang() -> Step:
    """Send nothing more until the client goes away or the server stops."""
    return (asyncio.Event(),)


def close_when_idle(first: Step = OK, after: float = 0.0) -> Step:
    """Do `first`, then FIN on the idle connection after so many seconds."""
    return (*first, after, End.FIN)


def close_on_reuse(first: Step = OK, then: Step = (End.FIN,)) -> Step:
    """Do `first`; each later request on the connection meets `then` in place of an answer, and takes no step."""
    return (OnReuse(then), *first)


def leftover(first: Answer = OK, stale: Answer = OK, after: float | None = None) -> Step:
    """Send `first`, and behind it `stale`, for which nobody asked: in the same segment, or `after` so many seconds."""
    return (*first, after, *stale) if after is not None else (b"".join((*first, *stale)),)


def cut(after: int, then: Step = (End.FIN,), of: Answer = OK) -> Step:
    """Send the head and `after` bytes of the body, then FIN, or `then`: `reset()`, `hang()`."""
    return (of.head + of.body[:after], *then)


def reset_after(count: int, of: Answer = OK) -> Step:
    """Send the head and `count` bytes of the body, then RST."""
    return cut(count, reset(), of)


def wrong_length(by: int, of: Answer = OK) -> Answer:
    """Claim a Content-Length that is `by` bytes too long, or too short if negative; the connection stays open."""
    return of.plus("Content-Length", str(len(of.body) + by))


def _chunked(of: Answer) -> bytes:
    return of.plus("Transfer-Encoding", "chunked").head + b"%x\r\n%b\r\n" % (len(of.body), of.body)


def broken_chunking(of: Answer = OK, tail: bytes = b"nonsense\r\n\r\n") -> Step:
    """Send all of the body in a good chunk, and then `tail` where the size of the next should be."""
    return (_chunked(of) + tail,)


def endless_body() -> Step:
    """Send chunks of blanks until the client goes away."""
    start, chunk = _chunked(Answer(b" ")), b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    # The pause lets others run when the peer reads as fast as this writes.
    return (start, lambda _request: itertools.cycle((chunk, 0)))


def drip(interval: float, total: int | None = None, of: Answer = OK, *, head: bool = False) -> Step:
    """Send `total` bytes of the body (all), or of the whole answer, one each `interval` seconds; the rest at once."""
    wire, start = of.head + of.body, 0 if head else len(of.head)
    end = len(wire) if total is None else start + total
    return (wire[:start], *(part for at in range(start, end) for part in (wire[at : at + 1], interval)), wire[end:])


def compressed(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give the answer in gzip or deflate."""
    body = zlib.compress(of.body, wbits=31 if encoding == "gzip" else 15)
    return evolve(of.plus("Content-Encoding", encoding), body=body)


def half_gzip(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give the first half of a compressed body, with the right length of that half."""
    whole = compressed(of, encoding)
    return evolve(whole, body=whole.body[: len(whole.body) // 2])


def corrupt_gzip(of: Answer = OK, encoding: str = "gzip") -> Answer:
    """Give a compressed body with all bits turned after the first 12 bytes."""
    whole = compressed(of, encoding)
    return evolve(whole, body=whole.body[:12] + bytes(byte ^ 0xFF for byte in whole.body[12:]))


@functools.cache
def gzip_bomb(decompressed_bytes: int = 64 * 2**20, encoding: str = "gzip") -> Answer:
    """Give so many blanks in about a thousandth of that on the wire."""
    return compressed(Answer(b" " * decompressed_bytes), encoding)


def malformed(line: bytes = b"HTP/one 2OO okay\r\n\r\n") -> Step:
    """Send what is no status line."""
    return (line,)


def header_injection(line: bytes = b"X-Bad: a\x00b", of: Answer = OK) -> Step:
    """Send these bytes as one more header line: NUL, a bare CR, a name with blanks, a second Content-Length."""
    return (of.head[:-2] + line + b"\r\n\r\n" + of.body,)


def huge_headers(size: int = 65536, of: Answer = OK) -> Answer:
    """Add a header of `size` bytes."""
    return of.plus("X-Huge", "x" * size)


def early_hints(of: Answer = OK, status: int = 103) -> Step:
    """Send an informational response in front of the answer."""
    return (b"HTTP/1.1 %d Early\r\nLink: </style.css>\r\n\r\n" % status, *of)
