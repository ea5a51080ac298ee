"""Bytes to `Page`: one cattrs converter, with msgspec for the pages that are as documented.

The converter is the authority: strict, and it names the place of what is wrong. msgspec decodes attrs classes in C and
takes the ordinary page; whatever it refuses, or reads otherwise than the converter would, goes to the converter. A hook
that somebody registers on `converter` sends every page there.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_origin, get_type_hints

import attrs
import cattrs
import msgspec
from cattrs import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from ._envelope import Envelope, parse_object, refusal
from ._page import Page
from ._text import one_line
from .errors import ResponseDecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_DATE_ALONE = len("2026-05-14")
_JSON_NAMES = {
    int: "an integer",
    str: "a string",
    bool: "true or false",
    float: "a number with a fraction or an exponent",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def decode_page(body: bytes, item: type[T]) -> Page[T] | Envelope:
    """Decode a successful answer that lists items, or return its envelope where that one carries an error.

    Raises `ResponseDecodeError`, which names the place.
    """
    page = None if converter.customised else _quick_page(body, item)
    if page is not None:
        return page
    answer = parse_object(body)
    return refusal(answer) or _listing(answer, item)


def _listing(answer: Mapping[str, Any], item: type[T]) -> Page[T]:
    if "data" not in answer:
        raise _not_as_documented("data", "is missing")
    return _structured(answer["data"], Page[item], "data")  # type: ignore[valid-type]  # a runtime alias


def decode_item(data: Mapping[str, Any], item: type[T]) -> T:
    """Decode one item from JSON-ready values. Raises `ResponseDecodeError`, which names the place."""
    return _structured(data, item, "")


# --- the quick way: msgspec ---


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


def _quick_page(body: bytes, item: type[T]) -> Page[T] | None:
    """Return the page where the answer is just as documented, else `None`."""
    decoder, moments = _quick_decoder(item)  # type: ignore[arg-type]  # to mypy, a class may be unhashable
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look at the bytes of what it skips; the converter's way refuses bad UTF-8
        answer = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    listing: _Listing[T] = answer.data
    if answer.status_code >= 300 or not all(_in_utc(listing.items, moment) for moment in moments):  # noqa: PLR2004
        return None
    return Page(listing.items, listing.total, listing.page, listing.limit, listing.has_more)


@functools.cache
def _quick_decoder(item: Any) -> tuple[msgspec.json.Decoder[Any], tuple[Callable[[Any], datetime | None], ...]]:
    """Return the decoder, and getters for the item's moments."""
    hints = get_type_hints(item)
    moments = tuple(attrgetter(name) for name, hint in hints.items() if hint in {datetime, datetime | None})
    return msgspec.json.Decoder(_Success[item]), moments


def _in_utc(items: Sequence[T], moment: Callable[[T], datetime | None]) -> bool:
    """Return whether msgspec read the moments as the converter would: it keeps other offsets, and none at all."""
    return {value.tzinfo for value in map(moment, items) if value is not None} <= {UTC}


# --- the authority: cattrs ---


class _Converter(cattrs.Converter):
    """Knows whether somebody registered hooks on it: then it must see every page itself."""

    customised = False

    def register_structure_hook(self, *args: Any, **kwargs: Any) -> Any:
        self.customised = True
        return super().register_structure_hook(*args, **kwargs)

    def register_structure_hook_func(self, *args: Any, **kwargs: Any) -> Any:
        self.customised = True
        return super().register_structure_hook_func(*args, **kwargs)

    def register_structure_hook_factory(self, *args: Any, **kwargs: Any) -> Any:
        self.customised = True
        return super().register_structure_hook_factory(*args, **kwargs)


def _made() -> _Converter:
    made = _Converter()
    made.register_structure_hook_factory(attrs.has, functools.partial(_object_hook, made))
    made.register_structure_hook_func(_is_tuple, functools.partial(_array, made))
    for primitive in (int, str, bool):
        made.register_structure_hook(primitive, _strict)
    # A class's hook is for its subclasses too: without this one, `str`'s would be for the string enums.
    made.register_structure_hook(StrEnum, _enum)
    made.register_structure_hook_func(lambda kind: kind is datetime, _moment)
    made.customised = False
    return made


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _object_hook(made: _Converter, kind: Any) -> Callable[[Any, Any], Any]:
    omitted = {"_load_next": override(omit=True)} if (get_origin(kind) or kind) is Page else {}
    structure = make_dict_structure_fn(kind, made, **omitted)  # type: ignore[arg-type]  # overrides by name

    def hook(value: Any, kind: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _wrong("an object", value)
        return structure(value, kind)

    return hook


def _array(made: _Converter, value: Any, kind: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong("an array", value)
    return tuple(made.structure(list(value), list[kind.__args__[0]]))


def _strict(value: Any, kind: type) -> Any:
    # A bool is an int to Python, not to JSON.
    if type(value) is not kind:
        raise _wrong(_JSON_NAMES[kind], value)
    return value


def _enum(value: Any, kind: type[StrEnum]) -> StrEnum:
    if not isinstance(value, str):
        raise _wrong("a string", value)
    return kind(value)


def _moment(value: Any, _: Any) -> datetime:
    try:
        moment = _read_moment(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        # Python's own text shows the value.
        msg = "expected an ISO 8601 date and time within the years 1 to 9999 in UTC, got another string"
    raise ValueError(msg)


def _read_moment(value: Any) -> datetime:
    if isinstance(value, datetime):  # from_dict also takes what a program already holds
        return value
    if not isinstance(value, str):
        raise _wrong("an ISO 8601 date and time", value)
    if len(value) <= _DATE_ALONE:
        raise ValueError
    try:
        # First msgspec, so that both ways round a fraction alike; Python also reads the other forms of ISO 8601.
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return datetime.fromisoformat(value)


def _wrong(wanted: str, value: object) -> TypeError:
    return TypeError(f"expected {wanted}, got {_JSON_NAMES.get(type(value), type(value).__name__)}")


converter = _made()
"""The one converter. Hooks registered on it are honoured by every client of the process, from the next page on."""


def _structured(data: Any, kind: type[T], place: str) -> T:
    try:
        return converter.structure(data, kind)
    except Exception as error:  # noqa: BLE001  whatever a hook of the user's raises is a value that does not fit
        place, fault = _first_fault(error, place)
    # Raised out here: the converter's errors hold the values, which stay out of sight.
    raise _not_as_documented(place or "it", fault)


def _not_as_documented(place: str, fault: str) -> ResponseDecodeError:
    return ResponseDecodeError(
        f"the answer is not as documented: {place} {fault}. Look for a newer version of techladder_async"
    )


def _first_fault(error: BaseException, place: str) -> tuple[str, str]:
    """Return the place and the nature of the first thing that is wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        place += _step(error)
    if isinstance(error, KeyError):
        return place.lstrip("."), "is missing"
    return place.lstrip("."), f"is wrong: {one_line(str(error))}"


def _step(error: BaseException) -> str:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""
