"""A body as it arrives: counted, decompressed, and whole, or an error.

aiohttp could decompress by itself, but takes half a gzip body for a whole one, and its `read()` has no upper bound.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

ACCEPT_ENCODING = "gzip, deflate"

_GZIP = zlib.MAX_WBITS | 16
_RAW_DEFLATE = -zlib.MAX_WBITS
_ZLIB_METHOD = 8


class BodyTooLargeError(Exception):
    """More arrived than is allowed."""


class BrokenBodyError(Exception):
    """The body is not what its headers say, or ends too early."""


async def read_body(chunks: AsyncIterable[bytes], encoding: str, most: int) -> bytes:
    """Read and decompress a body, and stop where it grows beyond `most` bytes.

    Raises `BodyTooLargeError` and `BrokenBodyError`.
    """
    parts: list[bytes] = []
    left = most
    inflater = _inflater(encoding)
    async for chunk in chunks:
        part = chunk if inflater is None else inflater.feed(chunk, left + 1)
        left -= len(part)
        if left < 0:
            raise BodyTooLargeError
        parts.append(part)
    if inflater is not None and not inflater.whole:
        msg = f"the {encoding} body ends too early"
        raise BrokenBodyError(msg)
    return b"".join(parts)


def _inflater(encoding: str) -> _Inflater | None:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _Inflater(gzip=encoding != "deflate")
    msg = f"the body comes with Content-Encoding {encoding!r}, which was not asked for"
    raise BrokenBodyError(msg)


class _Inflater:
    """Decompresses gzip, also in several members, and deflate with or without zlib's frame."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream: zlib._Decompress | None = None

    @property
    def whole(self) -> bool:
        """Whether the stream has come to its end. An empty body is no stream."""
        return self._stream is None or self._stream.eof

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what the data gives, `most` bytes at the most: beyond that, the caller gives up."""
        out = b""
        try:
            while data and len(out) < most:
                stream = self._next_stream(data)
                out += stream.decompress(data, most - len(out))
                data = stream.unused_data or stream.unconsumed_tail
        except zlib.error as error:
            raise BrokenBodyError(str(error)) from None
        return out

    def _next_stream(self, data: bytes) -> zlib._Decompress:
        if self._stream is None or (self._stream.eof and self._gzip):
            self._stream = zlib.decompressobj(self._window(data[0]))
        elif self._stream.eof:
            msg = "bytes follow the end of the deflate stream"
            raise BrokenBodyError(msg)
        return self._stream

    def _window(self, first: int) -> int:
        if self._gzip:
            return _GZIP
        # "deflate" means zlib's frame, but some servers leave it out.
        return zlib.MAX_WBITS if first & 0x0F == _ZLIB_METHOD else _RAW_DEFLATE
