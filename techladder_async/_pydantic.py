"""What pydantic, and so FastAPI and its OpenAPI schema, needs to know of the models. Only pydantic imports this.

Reading is the decoder's business, writing that of `to_dict`. The description is a `TypedDict` with the JSON types.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypeVar, get_args, get_type_hints

import attrs
from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema
from typing_extensions import TypedDict  # pydantic does not take typing's before Python 3.12

from ._decode import decode_item
from ._page import Page
from .errors import ResponseDecodeError

if TYPE_CHECKING:
    from enum import StrEnum

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from .models import CallBatch

_Moment: Any = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
_JSON_TYPES = {datetime: _Moment, datetime | None: _Moment | None}


def enum_schema(kind: type[StrEnum], handler: GetCoreSchemaHandler) -> Any:
    """Describe an open enum: the documented values, or any other string."""
    documented = {"type": "string", "enum": [member.value for member in kind]}
    about = f"{_summary(kind)} Values that are not listed are possible."
    described = {"title": kind.__name__, "description": about, "anyOf": [documented, {"type": "string"}]}

    def member(value: str) -> StrEnum:  # pydantic cannot read the signature of an enum's class
        return kind(value)

    schema: Any = handler.generate_schema(
        Annotated[str, AfterValidator(member), PlainSerializer(str, return_type=str), WithJsonSchema(described)]
    )
    schema["ref"] = f"{kind.__module__}.{kind.__qualname__}:{id(kind)}"  # makes it a component with a name
    return schema


def model_schema(kind: type[CallBatch], handler: GetCoreSchemaHandler) -> CoreSchema:
    """Describe a model by its fields."""
    hints, fields = get_type_hints(kind), {}
    for field in attrs.fields(kind):
        shown = _JSON_TYPES.get(hints[field.name], hints[field.name])
        fields[field.name] = shown if field.default is attrs.NOTHING else NotRequired[shown]
    return _schema(kind, kind, _shape(kind.__name__, fields, _summary(kind)), kind.to_dict, handler)


def page_schema(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    """Describe a page of the items that `source`, such as `Page[CallBatch]`, names."""
    (item,) = get_args(source) or (Any,)
    items = tuple[item, ...]  # type: ignore[valid-type]  # a runtime alias
    fields = {"items": items, "total": int, "page": int, "limit": int, "has_more": bool}
    name = f"Page_{item.__name__}_" if isinstance(item, type) else "Page"
    return _schema(Page, source, _shape(name, fields, _summary(Page)), _page_fields, handler)


def _summary(kind: type) -> str:
    """Return what a reader of JSON needs of a class's description: the rest is about Python."""
    return (kind.__doc__ or "").partition(".")[0] + "."


def _shape(name: str, fields: dict[str, Any], doc: str) -> Any:
    shape = TypedDict(name, fields)  # type: ignore[misc]  # the name and the fields are known when it runs
    shape.__doc__ = doc
    return shape


def _page_fields(page: Page[Any]) -> dict[str, Any]:
    return {name: getattr(page, name) for name in ("items", "total", "page", "limit", "has_more")}


_T = TypeVar("_T")


def _schema(kind: type, source: type[_T], shape: Any, write: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            msg = f"expected a {kind.__name__} or an object"
            raise ValueError(msg)  # noqa: TRY004  what pydantic makes its own error of
        try:
            return decode_item(value, source)
        except ResponseDecodeError as error:
            raise ValueError(str(error)) from None

    reader = PlainValidator(read, json_schema_input_type=shape)
    return handler.generate_schema(Annotated[Any, reader, PlainSerializer(write, return_type=shape)])
