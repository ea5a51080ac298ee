"""The answers of the fault server's script are what they are called."""

import gzip
import json
import zlib

import pytest

from tests.faults import (
    OK,
    Answer,
    batch,
    compressed,
    corrupt_gzip,
    error,
    gzip_bomb,
    half_gzip,
    html,
    huge_headers,
    page,
    redirect,
    wrong_length,
)


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15)])
def test_broken_compression(encoding: str, wbits: int) -> None:
    """Half a compressed body has its own right length and lacks its end; a corrupt one has its size and is refused."""
    half, corrupt = half_gzip(OK, encoding), corrupt_gzip(OK, encoding)
    unpack = zlib.decompressobj(wbits)
    assert OK.body.startswith(unpack.decompress(half.body))
    assert not unpack.eof
    assert b"Content-Length: %d\r\n" % len(half.body) in half.head
    assert len(corrupt.body) == len(compressed(OK, encoding).body)
    with pytest.raises(zlib.error):
        zlib.decompress(corrupt.body, wbits)


def test_the_bomb_is_small() -> None:
    """Sixteen mebibytes come from about a thousandth of that."""
    bomb = gzip_bomb(2**24)
    assert len(bomb.body) < 2**24 / 900
    assert len(gzip.decompress(bomb.body)) == 2**24


def test_documented_envelopes() -> None:
    """A page and an error have the shape of the documentation, and headers and changes of the caller's."""
    answer = page([batch(7, status="new")], 3, has_more=True, headers={"X-RateLimit-Remaining": "0"})
    data = json.loads(answer.body)["data"]
    assert data | {"items": None} == {"items": None, "total": 202, "page": 3, "limit": 100, "has_more": True}
    assert data["items"][0]["status"] == "new"
    assert len(data["items"][0]) == 11
    assert b"\r\nX-RateLimit-Remaining: 0\r\n" in answer.head
    fault = json.loads(error(429, message="Slow down", details=["300"]).body)
    expected = {"code": "RATE_LIMITED", "details": ["300"]}
    assert fault == {"status_code": 429, "message": "Slow down", "error": expected, "data": None}


@pytest.mark.parametrize(
    ("answer", "start", "line"),
    [
        (html(502), b"HTTP/1.1 502 Bad Gateway", b"Content-Type: text/html"),
        (redirect("http://127.0.0.1:1/"), b"HTTP/1.1 302 Found", b"Location: http://127.0.0.1:1/"),
        (wrong_length(5, Answer(b"abc")), b"HTTP/1.1 200 OK", b"Content-Length: 8"),
        (wrong_length(-1, Answer(b"abc")), b"HTTP/1.1 200 OK", b"Content-Length: 2"),
        (huge_headers(9000), b"HTTP/1.1 200 OK", b"X-Huge: " + b"x" * 9000),
        (error(599), b"HTTP/1.1 599 Unknown", b"Content-Type: application/json"),
    ],
)
def test_heads(answer: Answer, start: bytes, line: bytes) -> None:
    """An answer has its status line, and each header once."""
    first, *rest = answer.head.split(b"\r\n")
    assert first == start
    assert rest.count(line) == 1
    assert sum(header.lower().startswith(b"content-length") for header in rest) == 1
