"""A body is whole and decompressed, or an error: whatever its pieces, and wherever it is cut."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from techladder_async._body import BodyTooLargeError, BrokenBodyError, read_body

TEXT = b"".join(b"%d, " % number for number in range(200))
PACKED = {
    "": TEXT,
    "identity": TEXT,
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
    "Deflate ": zlib.compress(TEXT),
    "deflate": zlib.compress(TEXT, wbits=-15),
}
encodings = st.sampled_from(sorted(PACKED))


def read(body: bytes, encoding: str, *, size: int = 7, most: int = 10_000) -> bytes:
    """Read the body as it arrives in pieces of this size."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_body(pieces(), encoding, most))


@given(encodings, st.integers(min_value=1, max_value=2000))
def test_any_pieces_give_the_whole(encoding: str, size: int) -> None:
    """In whatever pieces a body arrives, it is the same body."""
    assert read(PACKED[encoding], encoding, size=size) == TEXT


@given(st.sampled_from(["gzip", "x-gzip", "deflate", "Deflate "]), st.data())
def test_any_cut_is_noticed(encoding: str, data: st.DataObject) -> None:
    """A compressed body that ends too early is broken, except between two members, where it is whole."""
    body = PACKED[encoding]
    cut = data.draw(st.integers(min_value=1, max_value=len(body) - 1))
    if encoding == "x-gzip" and cut == len(gzip.compress(TEXT[:9])):
        assert read(body[:cut], encoding) == TEXT[:9]
        return
    with pytest.raises(BrokenBodyError):
        read(body[:cut], encoding)


@given(encodings, st.integers(min_value=1, max_value=2000), st.integers(min_value=-3, max_value=3))
def test_the_bound_is_exact(encoding: str, size: int, more: int) -> None:
    """A body of the allowed size is read, and one byte beyond it is too large, in any pieces."""
    if more < 0:
        with pytest.raises(BodyTooLargeError):
            read(PACKED[encoding], encoding, size=size, most=len(TEXT) + more)
    else:
        assert read(PACKED[encoding], encoding, size=size, most=len(TEXT) + more) == TEXT


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=200))
def test_no_bytes_crash_it(encoding: str, body: bytes) -> None:
    """Any bytes at all are read, or are a broken or too large body."""
    with suppress(BrokenBodyError, BodyTooLargeError):
        assert len(read(body, encoding, most=1000)) <= 1000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        ("gzip", gzip.compress(b"x") + b"tail"),
        ("deflate", zlib.compress(b"x") + b"tail"),
        ("gzip", gzip.compress(b"x")[:-1] + b"?"),
    ],
)
def test_what_is_broken(encoding: str, body: bytes) -> None:
    """An encoding that was not asked for, bytes behind the end and a wrong checksum are broken."""
    with pytest.raises(BrokenBodyError):
        read(body, encoding)


def test_an_empty_body_is_whole() -> None:
    """No bytes at all are an empty body in any encoding: an answer without a body may name one."""
    assert read(b"", "gzip") == b""
