"""Envelopes and statuses: which error an answer becomes, and how it reads."""

import json
import pickle

import pytest
from hypothesis import given, settings, strategies as st

import techladder_async
from techladder_async import (
    APIStatusError,
    Attempt,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Response,
    ResponseDecodeError,
    ServerError,
    ValidationError,
)
from techladder_async._envelope import Envelope, error_of, parse_object, refusal
from techladder_async._quick import decode_page
from techladder_async._text import masked
from tests import documented

KEY = "sk_" + "Zq9" * 21
NOW = 1715698770.0
LONGEST = 1100
NOT_OBJECTS = [
    b"", b"<html>\n<h1>502 Bad\tGateway</h1>\n</html>", b"[1]", b"null", b'"text"', b"5", b"\xff\xfe", b"{",
    b"[" * 200_000, b'{"a": NaN}', b"{}",
    b'{"hello": "world"}', b'{"error": null}', b'{"error": null, "status_code": "500"}',
]  # fmt: skip


def error(status, body=b"", headers=None, history=()):
    """Make the error of an answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of(Response(status, headers or {}, body, history=history), lambda text: masked(text, KEY), NOW)


def envelope(**fields):
    """Return an error's envelope with other fields than the documented ones."""
    return {**json.loads(documented.INVALID), **fields}


def check_text(text):
    """Check that the text is one printable line of bounded length, and says something after the status."""
    assert text.isprintable()
    assert len(text) <= LONGEST
    assert len(text.partition(": ")[2]) > 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, APIStatusError), (302, APIStatusError), (304, APIStatusError), (307, APIStatusError),
        (400, BadRequestError), (401, AuthenticationError), (402, APIStatusError), (403, PermissionDeniedError),
        (404, NotFoundError), (405, APIStatusError), (408, APIStatusError), (418, APIStatusError),
        (422, ValidationError), (429, RateLimitError), (499, APIStatusError), (500, ServerError), (503, ServerError),
        (599, ServerError), (600, APIStatusError), (999, APIStatusError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>", documented.INVALID], ids=["empty", "html", "envelope"])
def test_class_of_a_status(status, kind, body):
    """The HTTP status alone decides the class and `status_code` of an answer that is no success."""
    made = error(status, body)
    assert type(made) is kind
    assert made.status_code == status
    check_text(str(made))


def test_documented_401():
    """The documented 401 keeps its code, message and details, and says what to check."""
    made = error(401, documented.UNAUTHORIZED, documented.RATE_HEADERS)
    assert made.code == "UNAUTHORIZED"
    assert made.message == "Missing or invalid API key"
    assert made.details == ("Provide a valid Bearer token in the Authorization header",)
    assert made.headers["x-ratelimit-remaining"] == "295"
    assert made.retry_after is None
    assert str(made) == (
        "401 UNAUTHORIZED: Missing or invalid API key (Provide a valid Bearer token in the Authorization header). "
        "Check the API key"
    )


def test_documented_422():
    """The documented 422 says which parameter was refused."""
    assert str(error(422, documented.INVALID)) == (
        "422 VALIDATION_ERROR: Invalid query parameters "
        "(status: Must be one of pending, active, completed, failed, cancelled). Correct the argument"
    )


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({}, None), (documented.RATE_HEADERS, 30.0), ({"Retry-After": "0"}, 0.0), ({"Retry-After": "7"}, 7.0)],
)
def test_documented_429(headers, wait):
    """The documented 429 carries the wait that the server asked for."""
    made = error(429, documented.RATE_LIMITED, headers)
    assert made.code == "RATE_LIMITED"
    assert made.details == ("Maximum 300 requests per minute",)
    assert made.retry_after == wait


@pytest.mark.parametrize("status", [401, 404, 422, 429, 500])
def test_error_in_a_200(status):
    """A 200 whose envelope carries an error is the error of the envelope's status."""
    body = json.dumps(envelope(status_code=status)).encode()
    found = decode_page(body, techladder_async.CallBatch)
    made = error_of(Response(200, {}, body), str, NOW, found)
    assert type(made) is type(error(status))
    assert made.status_code == status
    assert made.details == ("status: Must be one of pending, active, completed, failed, cancelled",)


@pytest.mark.parametrize("status", [200, 0, -1, 1000, 10**30, True, "500", None, 4.5, [], 299])
def test_error_in_a_200_without_a_status_of_its_own(status):
    """A 200 with an error, and no status that makes sense beside it, is still an error, of no special class."""
    found = refusal(envelope(status_code=status))
    made = error_of(Response(200, {}, b""), str, NOW, found)
    assert type(made) is APIStatusError
    assert made.status_code == (299 if status == 299 else 200)
    assert "treat it as failed" in str(made)


@pytest.mark.parametrize("status", [400, 401, 503])
def test_status_without_an_error(status):
    """An envelope that says an error's status is one, even where `error` is null."""
    assert refusal({"status_code": status, "error": None, "message": "no"}) == Envelope(status, "no", None, ())


@pytest.mark.parametrize("status", [200, 201, 302, None, "400", 400.0, True, 10**30])
def test_no_error(status):
    """An envelope without an error and without an error's status is a success."""
    assert refusal({"status_code": status, "error": None}) is None
    assert refusal({}) is None


@pytest.mark.parametrize(
    ("shape", "code", "details"),
    [
        ("boom", None, ("boom",)), (["a", "b"], None, ("a", "b")), ({}, None, ()), ([], None, ()), (5, None, ("5",)),
        (False, None, ("false",)), ({"code": 5, "details": None}, None, ()),
        ({"code": "X", "details": "d"}, "X", ("d",)),
        ({"details": [{"loc": "limit"}, 5, None, "s"]}, None, ('{"loc":"limit"}', "5", "null", "s")),
        ({"details": {"limit": "bad"}}, None, ('{"limit":"bad"}',)), ({"code": None, "details": []}, None, ()),
    ],
)  # fmt: skip
def test_odd_errors(shape, code, details):
    """An `error` of any shape is an error, and what it says is kept as strings."""
    for status in (200, 422):
        made = error_of(Response(status, {}, b""), str, NOW, refusal(envelope(status_code=422, error=shape)))
        assert type(made) is ValidationError
        assert (made.code, made.details) == (code, details)
        assert made.message == "Invalid query parameters"
        check_text(str(made))


@pytest.mark.parametrize("message", [None, 5, [], {}, "", "\n"])
def test_no_message(message):
    """Where the message is missing or no text, the status is named by its phrase or by the details."""
    made = error(404, envelope(message=message, error=None, status_code=404))
    assert str(made).startswith("404: ")
    check_text(str(made))


@pytest.mark.parametrize("body", NOT_OBJECTS, ids=lambda body: repr(body[:12]))
def test_body_that_is_no_envelope(body):
    """A body that is not the envelope gives the error of its status, with a short excerpt of what came instead."""
    made = error(502, body)
    assert type(made) is ServerError
    assert (made.code, made.details) == (None, ())
    check_text(str(made))
    if body.startswith(b"<html>"):
        assert str(made) == "502: <html> <h1>502 Bad Gateway</h1> </html>. Try again later"


def test_long_page():
    """A proxy's long page is cut to an excerpt."""
    made = error(503, b"<p>" + b"x" * 100_000)
    assert len(made.message) == 120
    assert made.message.endswith("…")


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"[]", b"<html>"])
def test_success_without_an_answer(body):
    """A 204, or any success without the documented body, is a decode error."""
    with pytest.raises(ResponseDecodeError, match=r"no JSON object: .*Check that base_url is the API's"):
        decode_page(body, techladder_async.CallBatch)


def test_byte_order_mark():
    """An error's envelope is read behind a byte order mark."""
    assert error(401, b"\xef\xbb\xbf" + documented.UNAUTHORIZED).code == "UNAUTHORIZED"
    assert parse_object(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status):
    """A redirect is an error that says why it is not followed."""
    made = error(status, headers={"Location": "https://elsewhere.example/"})
    assert "Redirects are not followed" in str(made)
    assert made.headers["location"] == "https://elsewhere.example/"


hostile = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x1b\x07\r\n\u202e\u2028\x9b\u200b"), max_size=900
)


@settings(max_examples=60, deadline=None)
@given(hostile, hostile, st.lists(hostile | st.integers(), max_size=5), st.integers(300, 600))
def test_text_is_one_line(message, code, details, status):
    """Whatever the server writes, the text is one line of bounded length that no terminal obeys."""
    made = error(status, envelope(message=message, error={"code": code, "details": details}))
    check_text(str(made))
    assert made.message == message


def test_terminal_escapes():
    """Escape sequences lose their escape character."""
    assert "\x1b" not in str(error(500, envelope(message="\x1b[31mred\x1b]0;title\x07")))
    assert "500 VALIDATION_ERROR: [31mred" in str(error(500, envelope(message="\x1b[31mred")))


@pytest.mark.parametrize(
    "body",
    [
        envelope(message=f"bad {KEY}"), envelope(error={"code": KEY, "details": [KEY, {"got": KEY}]}),
        envelope(error=KEY), envelope(message="\u200b".join(KEY)), f"<b>{KEY}</b>".encode(),
    ],
    ids=["message", "code and details", "error", "invisibly split", "html"],
)  # fmt: skip
def test_key_is_masked(body):
    """A key that the server echoes is masked wherever it stands."""
    made = error(401, body)
    assert KEY not in str(made)
    assert KEY not in repr(made)
    assert KEY.encode() not in pickle.dumps(made)


def test_history():
    """The error has every try; where only the answer is known, that one."""
    history = (Attempt(None, "reset", 0.5), Attempt(500, None, None))
    assert error(500, history=history).history == history
    assert error(500, history=history).attempts == 2
    assert error(500).history == (Attempt(500, None, None),)
    assert error(500).attempts == 1
