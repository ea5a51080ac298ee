"""The table of faults: what goes wrong, what the client does, and what its caller sees."""

import math
import time
import zlib
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from techladder_async import Handler, Request, Response, RetryPolicy
from tests.clients import KEY, Use, a_moment_later, closed, listing, one_page, two_pages, walk
from tests.fault_server import refused_url
from tests.faults import (
    OK,
    Answer,
    Step,
    batch,
    broken_chunking,
    close,
    close_on_reuse,
    close_when_idle,
    compressed,
    corrupt_gzip,
    cut,
    drip,
    early_hints,
    endless_body,
    error,
    gzip_bomb,
    half_gzip,
    hang,
    header_injection,
    html,
    huge_headers,
    leftover,
    malformed,
    page,
    raw,
    redirect,
    reset,
    reset_after,
    respond,
    wrong_length,
)


@frozen
class Row:
    """One fault. The server keeps doing the last step; `sees` is an error's class and words of its text."""

    fault: str
    script: tuple[Step, ...]
    sent: int
    sees: str = "the page"
    use: Use = one_page
    options: Mapping[str, Any] = field(factory=dict)

    @property
    def attempts(self) -> int:
        """How many attempts the error counts; those at a port on which nothing listens do not arrive."""
        return 4 if not self.sent and self.sees == CUT else self.sent

    @property
    def happens(self) -> str:
        """What the client does, in words."""
        if not self.sent:
            return f"{self.attempts} attempts to connect" if self.attempts else "nothing is sent"
        return "1 request" if self.sent == 1 else f"{self.sent} requests"

    @property
    def markdown(self) -> str:
        """The row as the README has it."""
        kind, _, text = self.sees.partition(": ")
        seen = f"`{kind}`: {text}" if text else kind
        return f"| {self.fault} | {self.happens} | {seen} |"


CUT = "APIConnectionError: no usable answer"
LATE = "APITimeoutError: no complete answer within"
SHORT = {"timeout": 0.2, "retry": RetryPolicy(initial=0, max_attempts=2)}
SMALL = {"max_response_bytes": 65536}
SPENT = {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "300", "X-RateLimit-Reset": f"{time.time() + 3000:.0f}"}
ENDLESS = respond(lambda request: page([batch(1)], int(request.query["page"]), has_more=True))


def _raw_deflate() -> Answer:
    packer = zlib.compressobj(wbits=-15)
    return evolve(compressed(OK, "deflate"), body=packer.compress(OK.body) + packer.flush())


def _until_close() -> Step:
    return (b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + OK.body, *close())


def _json(text: str) -> tuple[Step, ...]:
    return (Answer(text.encode()),)


def _batch(**changes: object) -> tuple[Step, ...]:
    return (page([batch(1, **changes)]),)


def _echo(status: int) -> Step:
    return respond(lambda request: error(status, message=f"bad {request.headers['authorization']}"))


async def _inject(request: Request, handler: Handler) -> Response:
    return await handler(Request(request.method, request.path, request.params, {"X-Trace": "a\r\nX-Evil: b"}))


CONNECTION = [
    Row("nothing listens on the port", (), 0, CUT, options={"base_url": refused_url()}),
    Row("the connection is reset before an answer", (reset(),), 4, CUT),
    Row("… once, and then all is well", (reset(), OK), 2),
    Row("the connection is closed before an answer", (close(),), 4, CUT),
    Row("the connection is reset in the middle of the head", ((b"HTTP/1.1 200 O", *reset()),), 4, CUT),
    Row("the connection is closed in the middle of the head", ((b"HTTP/1.1 200 O", *close()),), 4, CUT),
    Row("the connection is reset in the middle of the body", (reset_after(20),), 4, CUT),
    Row("the connection is closed in the middle of the body", (cut(20),), 4, CUT),
    Row("… once, and then all is well", (cut(20), OK), 2),
    Row("a kept-alive connection is closed when it is used again", (close_on_reuse(), OK), 3, use=two_pages),
    Row("a kept-alive connection is reset when it is used again", (close_on_reuse(then=reset()), OK), 3, use=two_pages),
    Row("the server closes an idle connection", (close_when_idle(), OK), 2, use=a_moment_later),
    Row("an answer that nobody asked for, in the same segment", (leftover(OK, page(page=9)), OK), 2, use=two_pages),
    Row("an answer that nobody asked for, later", (leftover(OK, page(page=9), 0.005), OK), 2, use=a_moment_later),
]
BYTES = [
    Row("a status line that is none", (malformed(),), 4, CUT),
    Row("TLS on a plain port", (raw(b"\x15\x03\x01\x00\x02\x02\x16"),), 4, CUT),
    Row("a status that is no number", (raw(b"HTTP/1.1 abc OK\r\n\r\n"),), 4, CUT),
    Row("NUL in a header", (header_injection(),), 4, CUT),
    Row("a bare CR in a header", (header_injection(b"X-Bad: a\rb"),), 4, CUT),
    Row("a blank in a header's name", (header_injection(b"X Bad: a"),), 4, CUT),
    Row("two different lengths", (header_injection(b"Content-Length: 1"),), 4, CUT),
    Row("a length that is no number", (header_injection(b"", Answer(b"", headers={"Content-Length": "x"})),), 4, CUT),
    Row("a header of 64 KiB", (huge_headers(),), 4, CUT),
    Row("broken chunking", (broken_chunking(),), 4, CUT),
    Row("a chunk's size that is negative", (broken_chunking(tail=b"-1\r\n"),), 4, CUT),
    Row("a chunked body without its end", ((*broken_chunking(tail=b""), *close()),), 4, CUT),
    Row("half a gzip body of the right length", (half_gzip(),), 4, CUT),
    Row("half a deflate body of the right length", (half_gzip(encoding="deflate"),), 4, CUT),
    Row("a corrupt gzip body", (corrupt_gzip(),), 4, CUT),
    Row("plain text that is announced as gzip", (OK.plus("Content-Encoding", "gzip"),), 4, CUT),
    Row("an encoding that was not asked for", (OK.plus("Content-Encoding", "br"),), 4, CUT),
    Row("a length that is too short", (wrong_length(-9),), 4, CUT),
    Row("gzip", (compressed(),), 1),
    Row("deflate", (compressed(OK, "deflate"),), 1),
    Row("deflate without zlib's frame", (_raw_deflate(),), 1),
    Row("HTTP/1.0, the body ends with the connection", (_until_close(),), 1),
    Row("informational answers in front (103)", (early_hints(),), 1),
    Row("informational answers in front (100)", (early_hints(status=100),), 1),
]
TIME = [
    Row("no answer at all", (hang(),), 2, LATE, options=SHORT),
    Row("a head, and then nothing", (cut(0, hang()),), 2, LATE, options=SHORT),
    Row("half a body, and then nothing", (cut(20, hang()),), 2, LATE, options=SHORT),
    Row("a body that drips, a byte each 20 ms", (drip(0.02),), 2, LATE, options=SHORT),
    Row("a head that drips, a byte each 20 ms", (drip(0.02, head=True),), 2, LATE, options=SHORT),
    Row("a length that is too long", (wrong_length(9),), 2, LATE, options=SHORT),
    Row("no answer once, and then all is well", (hang(), OK), 2, options=SHORT),
]
SIZE = [
    Row(
        "a body without end", (endless_body(),), 1, "ResponseDecodeError: larger than max_response_bytes", options=SMALL
    ),
    Row(
        "a gzip bomb of 64 MiB", (gzip_bomb(),), 1, "ResponseDecodeError: larger than max_response_bytes", options=SMALL
    ),
    Row(
        "a deflate bomb of 4 MiB",
        (gzip_bomb(2**22, "deflate"),),
        1,
        "ResponseDecodeError: larger than max_response_bytes",
        options=SMALL,
    ),
    Row(
        "a length above the bound",
        (Answer(b" " * 70000),),
        1,
        "ResponseDecodeError: larger than max_response_bytes",
        options=SMALL,
    ),
]
STATUS = [
    Row("400", (error(400),), 1, "BadRequestError: 400"),
    Row("401", (error(401),), 1, "AuthenticationError: Check the API key"),
    Row("403", (error(403),), 1, "PermissionDeniedError: 403 FORBIDDEN"),
    Row("404", (error(404),), 1, "NotFoundError: 404 NOT_FOUND"),
    Row("422", (error(422, details=["limit: too large"]),), 1, "ValidationError: limit: too large"),
    Row("409, of which nothing is documented", (error(409),), 1, "APIStatusError: 409"),
    Row("408", (error(408),), 4, "APIStatusError: 408"),
    Row("500", (error(500),), 4, "ServerError: 500"),
    Row("500 once, and then all is well", (error(500), OK), 2),
    Row("501", (error(501),), 1, "ServerError: 501"),
    Row("502 with a proxy's HTML", (html(),), 4, "ServerError: nginx"),
    Row("503", (error(503),), 4, "ServerError: 503"),
    Row("504 with an empty body", (Answer(b"", 504),), 4, "ServerError: 504"),
    Row("599", (Answer(b"", 599),), 1, "ServerError: 599"),
    Row("302 to another host", (redirect("http://127.0.0.2:1/"),), 1, "APIStatusError: Redirects are not followed"),
    Row("308 to the same host", (redirect("/elsewhere", 308),), 1, "APIStatusError: Redirects are not followed"),
    Row("304", (Answer(b"", 304),), 1, "APIStatusError: 304"),
    Row("204", (Answer(b"", 204),), 1, "ResponseDecodeError: the answer is no JSON object"),
    Row("200 whose envelope says 401", (evolve(error(401), status=200),), 1, "AuthenticationError: 401"),
    Row("200 whose envelope says 500", (evolve(error(500), status=200),), 1, "ServerError: 500"),
    Row("401 whose body echoes the key", (_echo(401),), 1, "AuthenticationError: Bearer sk_***"),
    Row("503 whose body echoes the key", (_echo(503),), 4, "ServerError: Bearer sk_***"),
]
LIMIT = [
    Row("429", (error(429),), 4, "RateLimitError: 429"),
    Row("429 that says to come back at once", (error(429, headers={"Retry-After": "0"}), OK), 2),
    Row(
        "429 that says to come back in 10 minutes",
        (error(429, headers={"Retry-After": "600"}),),
        1,
        "RateLimitError: 429",
    ),
    Row(
        "429 with a wait that cannot be read", (error(429, headers={"Retry-After": "soon"}),), 4, "RateLimitError: 429"
    ),
    Row(
        "429 with two waits",
        (header_injection(b"Retry-After: 600\r\nRetry-After: 1", error(429)),),
        4,
        "RateLimitError: 429",
    ),
    Row("429 with a reset in the past", (error(429, headers={"X-RateLimit-Reset": "1"}),), 4, "RateLimitError: 429"),
    Row(
        "429 with a reset in milliseconds",
        (error(429, headers={"X-RateLimit-Reset": "1715698800000"}),),
        4,
        "RateLimitError: 429",
    ),
    Row(
        "503 that says to come back next year",
        (error(503, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),),
        1,
        "ServerError: 503",
    ),
    Row(
        "nothing remains of the limit for minutes",
        (page(headers=SPENT),),
        1,
        "RateLimitError: nothing remains of the rate limit",
        use=two_pages,
    ),
]
DECODE = "ResponseDecodeError: "
CONTENT = [
    Row("an empty body", _json(""), 1, DECODE + "the answer is no JSON object"),
    Row("HTML with status 200", (html(200),), 1, DECODE + "the answer is no JSON object"),
    Row("a JSON list", _json("[]"), 1, DECODE + "the answer is no JSON object"),
    Row("JSON cut off, of the right length", _json('{"status_code": 200'), 1, DECODE + "the answer is no JSON object"),
    Row("NaN", _json('{"data": NaN}'), 1, DECODE + "the answer is no JSON object"),
    Row("Latin-1", (Answer(b'{"message": "\xe9"}'),), 1, DECODE + "the answer is no JSON object"),
    Row("100,000 brackets", _json("[" * 100_000), 1, DECODE + "the answer is no JSON object"),
    Row("no `data`", _json('{"status_code": 200}'), 1, DECODE + "data"),
    Row("a missing field", (page([{"schedule_id": "sched_1"}]),), 1, DECODE + "data.items[0]"),
    Row("a number as a string", _batch(total_contacts="5"), 1, DECODE + "data.items[0].total_contacts"),
    Row("a date that is none", _batch(created_at="yesterday"), 1, DECODE + "data.items[0].created_at"),
    Row("a status that is new", _batch(status="paused"), 1),
    Row("a field that is new", _batch(colour="blue"), 1),
    Row("no scheduled time", _batch(scheduled_at=None), 1),
]
LISTING = [
    Row(
        "another page than was asked for",
        (page(page=2),),
        1,
        "PaginationError: page 1 was asked for, and page 2 answered",
    ),
    Row("an empty page that says that more follow", (page(has_more=True),), 1, "PaginationError: is empty", use=walk),
    Row("the same items for ever", (ENDLESS,), 4, "PaginationError: hold nothing that had not come before", use=walk),
    Row(
        "404 after the first page, since the listing shrank",
        (page([batch(1)], has_more=True), error(404)),
        2,
        "the items so far",
        use=walk,
    ),
    Row(
        "500 in the middle of a walk",
        (page([batch(1)], has_more=True), error(500)),
        5,
        "ServerError: page 2",
        use=walk,
    ),
]
BAD_KEY = "ConfigurationError: API key"
INPUT = [
    Row("no key", (), 0, BAD_KEY, options={"api_key": None}),
    Row("an empty key", (), 0, BAD_KEY, options={"api_key": ""}),
    Row("a key with a line break", (), 0, BAD_KEY, options={"api_key": KEY + "\n"}),
    Row("a key with a blank", (), 0, BAD_KEY, options={"api_key": KEY + " x"}),
    Row("a key with NUL or DEL", (), 0, BAD_KEY, options={"api_key": KEY + "\x7f"}),
    Row("a key that is not ASCII", (), 0, BAD_KEY, options={"api_key": KEY + "é"}),
    Row("a base URL without http", (), 0, "ConfigurationError: base_url", options={"base_url": "ftp://127.0.0.1"}),
    Row(
        "plain http to another machine",
        (),
        0,
        "ConfigurationError: unencrypted",
        options={"base_url": "http://192.0.2.1"},
    ),
    Row("a time-out of 0", (), 0, "ConfigurationError: time-out", options={"timeout": 0}),
    Row("a negative time-out", (), 0, "ConfigurationError: time-out", options={"timeout": -1}),
    Row("a time-out that is not a number", (), 0, "ConfigurationError: time-out", options={"timeout": math.nan}),
    Row("a time-out of True", (), 0, "ConfigurationError: time-out", options={"timeout": True}),
    Row("`limit=0`", (), 0, "ValueError: limit must be between 1 and 100", listing(limit=0)),
    Row("`limit=101`", (), 0, "ValueError: limit must be between 1 and 100", listing(limit=101)),
    Row("`limit=True`", (), 0, "TypeError: limit must be an integer", listing(limit=True)),
    Row("`page=0`", (), 0, "ValueError: page must be at least 1", listing(page=0)),
    Row("`max_items=0`", (), 0, "ValueError: max_items must be at least 1", listing(max_items=0)),
    Row("`prefetch=-1`", (), 0, "ValueError: prefetch must be at least 0", listing(prefetch=-1)),
    Row('`status=""`', (), 0, "ValueError: status is empty", listing(status="")),
    Row("a status that the SDK does not know", (error(422),), 1, "ValidationError: 422", listing(status="paused")),
    Row("a line break in a middleware's header", (), 0, "ValueError: X-Trace", options={"middlewares": [_inject]}),
    Row("use after the end", (), 0, "RuntimeError: closed", closed),
]
GROUPS = {
    "The connection": CONNECTION,
    "The bytes": BYTES,
    "Time": TIME,
    "Size": SIZE,
    "Status": STATUS,
    "The rate limit": LIMIT,
    "Content": CONTENT,
    "The listing": LISTING,
    "Arguments and settings": INPUT,
}
