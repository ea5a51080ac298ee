"""Bytes to `Page`: one cattrs converter, strict, which names the place of what is wrong.

It is the authority on how an answer is read. `_quick.py` takes the ordinary pages off it; a hook that somebody
registers on `converter` sends every page here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import attrs
import cattrs
import msgspec
from cattrs import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from ._envelope import Envelope, parse_object, refusal
from ._page import Page
from ._switch import switch
from ._text import one_line
from .errors import ResponseDecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

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


def decode_page_with_care(body: bytes, item: type[T]) -> Page[T] | Envelope:
    """Decode like `decode_page` of `_quick.py`, whatever the answer looks like."""
    answer = parse_object(body)
    return refusal(answer) or _listing(answer, item)


def _listing(answer: Mapping[str, Any], item: type[T]) -> Page[T]:
    if "data" not in answer:
        raise _not_as_documented("data", "is missing")
    return _structured(answer["data"], Page[item], "data")  # type: ignore[valid-type]  # a runtime alias


def decode_item(data: Mapping[str, Any], item: type[T]) -> T:
    """Decode one item from JSON-ready values. Raises `ResponseDecodeError`, which names the place."""
    return _structured(data, item, "")


class _Converter(cattrs.Converter):
    """Sees every page itself as soon as somebody registers hooks on it."""

    ready = False

    def register_structure_hook(self, *args: Any, **kwargs: Any) -> Any:
        self._note()
        return super().register_structure_hook(*args, **kwargs)

    def register_structure_hook_func(self, *args: Any, **kwargs: Any) -> Any:
        self._note()
        return super().register_structure_hook_func(*args, **kwargs)

    def register_structure_hook_factory(self, *args: Any, **kwargs: Any) -> Any:
        self._note()
        return super().register_structure_hook_factory(*args, **kwargs)

    def _note(self) -> None:
        if self.ready:
            switch.on = False


def _made() -> _Converter:
    made = _Converter()
    made.register_structure_hook_factory(attrs.has, functools.partial(_object_hook, made))
    made.register_structure_hook_func(_is_tuple, functools.partial(_array, made))
    for primitive in (int, str, bool):
        made.register_structure_hook(primitive, _strict)
    # A class's hook is for its subclasses too: without this one, `str`'s would be for the string enums.
    made.register_structure_hook(StrEnum, _enum)
    made.register_structure_hook_func(lambda kind: kind is datetime, _moment)
    made.ready = True
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
