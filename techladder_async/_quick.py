"""Bytes to `Page`, the quick way: msgspec decodes the pages that are just as documented into the attrs classes, in C.

Whatever it refuses, or reads otherwise than the converter would, goes to the cattrs converter in `_decode.py`, which is
the authority and names the place of what is wrong. Most programs never need it, so it is imported when it is.
"""

from __future__ import annotations

import functools
from datetime import UTC
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ._page import Page
from ._switch import switch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from ._envelope import Envelope

T = TypeVar("T")

_FIRST_ERROR = 300


def decode_page(body: bytes, item: type[T]) -> Page[T] | Envelope:
    """Decode a successful answer that lists items, or return its envelope where that one carries an error.

    Raises `ResponseDecodeError`, which names the place.
    """
    page = quick_page(body, item) if switch.on else None
    if page is not None:
        return page
    from ._decode import decode_page_with_care  # noqa: PLC0415  with it comes cattrs

    return decode_page_with_care(body, item)


class _Listing(msgspec.Struct, Generic[T]):
    items: tuple[T, ...]
    total: int
    page: int
    limit: int
    has_more: bool


class _Success(msgspec.Struct, Generic[T]):
    data: _Listing[T]
    error: None = None
    status_code: int = 200


def quick_page(body: bytes, item: type[T]) -> Page[T] | None:
    """Return the page where the answer is just as documented, else `None`."""
    decoder, offsets_of = _decoder(item)  # type: ignore[arg-type]  # to mypy, a class may be unhashable
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look at the bytes of what it skips; the converter's way refuses bad UTF-8
        answer = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    listing: _Listing[T] = answer.data
    offsets = offsets_of(listing.items)
    # The converter turns every moment into UTC; msgspec keeps another offset, and none at all.
    if answer.status_code >= _FIRST_ERROR or offsets.count(UTC) < len(offsets):
        return None
    return Page(listing.items, listing.total, listing.page, listing.limit, listing.has_more)


@functools.cache
def _decoder(item: Any) -> tuple[msgspec.json.Decoder[Any], Callable[[Sequence[Any]], list[tzinfo | None]]]:
    """Return the decoder, and the function that gives the offsets of many items' moments."""
    return msgspec.json.Decoder(_Success[item]), item._offsets  # noqa: SLF001  beside the fields, but for here alone
