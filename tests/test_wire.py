"""`Request` and `Response`: plain values that cannot smuggle anything onto the wire."""

import pickle

import attrs
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from techladder_async import Attempt, Request, Response

CONTROL = [*map(chr, range(32)), "\x7f"]


def test_request_as_it_is_made():
    """A request has a method, a path and, where none are given, no parameters and headers."""
    request = Request("GET", "/api/v1/public/call-batches")
    assert (request.method, request.path, request.params, request.headers) == (
        "GET", "/api/v1/public/call-batches", {}, {},
    )  # fmt: skip
    assert request.deadline is None
    assert request == Request("GET", "/api/v1/public/call-batches", {}, {})


@pytest.mark.parametrize("path", ["/", "/a/b", "/a%20b", "/a;b=c,d", "/~a/@me/(x)!*'$&+", "//a", "/a/../b", "/%C3%BC"])
def test_path(path):
    """A path that is percent-encoded is taken as it is."""
    assert Request("GET", path).path == path


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "@evil.example/", ".evil.example", ":8000/", "https://evil.example/", "/a b", "/a?b=c", "/a#b",
        "/a\\b", "/ü", "/a\u2028", '/"', "/<", "/a\n", "/\uff0f", *[f"/{character}" for character in CONTROL],
    ],
)  # fmt: skip
def test_path_that_leads_elsewhere(path):
    """A path that could name another host, or that is not percent-encoded, is refused."""
    with pytest.raises(ValueError, match="begins with / and is percent-encoded"):
        Request("GET", path)
    with pytest.raises(ValueError, match="begins with /"):
        attrs.evolve(Request("GET", "/"), path=path)


@pytest.mark.parametrize("method", ["", "get", "GET ", "GET\r\n", "GET / HTTP/1.1\r\nX: y", "G\x00T", "GÉT", "G-T"])
def test_method(method):
    """A method is a word in upper case."""
    with pytest.raises(ValueError, match="word in upper case"):
        Request(method, "/")


@pytest.mark.parametrize("headers", [{"X-Trace": "a b\tc"}, {"x": ""}, {"a!#$%&'*+-.^_`|~1": "~"}, CIMultiDict(a="1")])
def test_headers(headers):
    """Headers of HTTP's own characters are taken."""
    assert Request("GET", "/", {}, headers).headers == headers


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", "X\r\nY", "ü", "a\u2028", "(a)", "a/b", *[f"a{character}" for character in CONTROL]]
)
def test_header_name(name):
    """A header's name of other characters is refused."""
    with pytest.raises(ValueError, match="a character that HTTP does not allow"):
        Request("GET", "/", {}, {name: "1"})


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nX: y",
        "a\n",
        "ü",
        "\u2028",
        "\x80",
        "\ud800",
        *[f"a{character}" for character in CONTROL if character != "\t"],
    ],
)
def test_header_value(value):
    """A header's value with control characters, or beyond ASCII, is refused, and not shown: it may be secret."""
    with pytest.raises(ValueError, match="the header 'X-Secret' holds a character that HTTP does not allow") as caught:
        Request("GET", "/", {}, {"X-Secret": f"hunter2{value}"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION", "aUTHORIZATION"])
@pytest.mark.parametrize("kind", [dict, CIMultiDict])
def test_authorization_is_the_transport_s(name, kind):
    """A request does not carry the key, in no spelling, and the error does not show it."""
    with pytest.raises(ValueError, match="the transport adds the key") as caught:
        Request("GET", "/", {}, kind({"X": "1", name: "Bearer hunter2"}))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "page"),
    [
        ({}, None),
        ({"page": "3"}, 3),
        ({"page": "0"}, 0),
        ({"page": ""}, None),
        ({"page": "-1"}, None),
        ({"page": "x"}, None),
    ],
)
def test_page(params, page):
    """The page is known where the request asks for one."""
    assert Request("GET", "/", params).page == page


@pytest.mark.parametrize("params", [{"agent_id": "\ud800x"}, {"\udc00": "x"}, {"agent_id": "é\udfff", "page": "1"}])
def test_half_a_character_in_a_parameter(params):
    """A lone surrogate, which no encoding can send, is refused and not left out."""
    with pytest.raises(ValueError, match="half a character"):
        Request("GET", "/", params)


@pytest.mark.parametrize("params", [{"page": 1}, {"page": None}, {1: "page"}, {"page": ["1"]}])
def test_a_parameter_is_a_string(params):
    """A parameter that is no string is refused before it is sent."""
    with pytest.raises(TypeError, match="are strings"):
        Request("GET", "/", params)


def test_evolve():
    """A changed copy leaves the original as it is."""
    request = Request("GET", "/a", {"page": "1"})
    changed = attrs.evolve(request, params={**request.params, "page": "2"}, deadline=1.0)
    assert (request.page, changed.page, changed.path, changed.deadline) == (1, 2, "/a", 1.0)


@pytest.mark.parametrize("kind", [dict, CIMultiDict, lambda headers: CIMultiDictProxy(CIMultiDict(headers))])
def test_response_headers(kind):
    """A response takes any mapping as its headers, and finds them without regard to case."""
    response = Response(200, kind({"X-RateLimit-Limit": "300"}), b"")
    assert response.headers["x-ratelimit-limit"] == response.headers["X-RATELIMIT-LIMIT"] == "300"
    assert response.headers.getall("Missing", ()) == ()


def test_response_keeps_repeated_headers():
    """Headers that came twice are both there."""
    headers = CIMultiDict([("A", "1"), ("a", "2")])
    assert Response(200, headers, b"").headers.getall("A") == ["1", "2"]


def test_response_defaults_and_repr():
    """A response made by hand took no time and has no history, and its repr does not show the body."""
    response = Response(200, {}, b"private")
    assert (response.seconds, response.history) == (0.0, ())
    assert "private" not in repr(response)
    assert "<7 bytes>" in repr(response)


@pytest.mark.parametrize(
    "value", [Request("GET", "/", {"page": "1"}), Response(200, {"A": "1"}, b"x"), Attempt(500, None, 1.0)]
)
def test_frozen_and_picklable(value):
    """The values cannot be changed, take no other attributes, and pickle."""
    for name in (attrs.fields(type(value))[0].name, "other"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, 1)
    assert not hasattr(value, "__dict__")
    assert pickle.loads(pickle.dumps(value)) == value
