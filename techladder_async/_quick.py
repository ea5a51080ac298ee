"""Bytes to `Page`, the quick way: msgspec decodes the pages that are just as documented into the attrs classes, in C.

Whatever it refuses, or reads otherwise than the converter would, goes to the cattrs converter in `_decode.py`, which is
the authority and names the place of what is wrong. Most programs never need it, so it is imported when it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_type_hints

import msgspec

from ._page import Page
from ._switch import switch

if TYPE_CHECKING:
    from ._envelope import Envelope

T = TypeVar("T")

_FIRST_ERROR = 300
_offset = attrgetter("tzinfo")


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
    decoder, moments = _decoder(item)  # type: ignore[arg-type]  # to mypy, a class may be unhashable
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look at the bytes of what it skips; the converter's way refuses bad UTF-8
        answer = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    listing: _Listing[T] = answer.data
    if answer.status_code >= _FIRST_ERROR:
        return None
    for moment in moments:
        if not _in_utc(map(moment, listing.items)):
            return None
    return Page(listing.items, listing.total, listing.page, listing.limit, listing.has_more)


@functools.cache
def _decoder(item: Any) -> tuple[msgspec.json.Decoder[Any], tuple[Callable[[Any], datetime | None], ...]]:
    """Return the decoder, and getters for the item's moments."""
    hints = get_type_hints(item)
    moments = tuple(attrgetter(name) for name, hint in hints.items() if hint in {datetime, datetime | None})
    return msgspec.json.Decoder(_Success[item]), moments


def _in_utc(moments: Iterable[datetime | None]) -> bool:
    """Return whether msgspec read the moments as the converter would: it keeps other offsets, and none at all."""
    return set(map(_offset, filter(None, moments))) <= _UTC


_UTC = frozenset({UTC})
