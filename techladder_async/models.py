"""What the API's listings hold, as frozen attrs classes. The facts come from the vendor's public documentation."""

from __future__ import annotations

from datetime import UTC, datetime  # msgspec reads the annotations
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo
    from typing import Self

    from cattrs import Converter

__all__ = ["BatchStatus", "CallBatch", "StartMode", "converter"]


converter: Converter
"""The cattrs converter that decodes every answer. A hook registered on it holds from then on."""

if not TYPE_CHECKING:  # a type checker would take any name for an attribute

    def __getattr__(name: str) -> Converter:
        # It comes when it is first asked for, so that importing the package does not import cattrs.
        if name == "converter":
            from ._decode import converter  # noqa: PLC0415  see above

            return converter
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)


class _OpenEnum(StrEnum):
    """A string enum that takes values it does not know: the API may get new ones before the SDK does."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Not remembered: what a server makes up must not fill the memory.
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        # By value: some versions of Python pickle enum members by name, and unknown ones have none.
        return type(self), (self.value,)

    @property
    def is_known(self) -> bool:
        """Whether the value is a documented one."""
        return self.value in type(self)._value2member_map_

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic, and so FastAPI, read, write and describe the enum, open as it is."""
        from ._pydantic import enum_schema  # noqa: PLC0415  only pydantic comes here: it is not needed otherwise

        return enum_schema(cls, handler)

    def __repr__(self) -> str:
        return super().__repr__() if self.is_known else f"{type(self).__name__}({self.value!r})"


class BatchStatus(_OpenEnum):
    """Where a call batch stands. An undocumented value decodes, equals its string, and has `is_known` false."""

    PENDING = "pending"
    """Created, not started."""
    ACTIVE = "active"
    """Running calls now."""
    COMPLETED = "completed"
    """Every call has finished."""
    FAILED = "failed"
    """The batch met an error."""
    CANCELLED = "cancelled"
    """Cancelled by hand."""


class StartMode(_OpenEnum):
    """How a call batch is started. Open like `BatchStatus`."""

    MANUAL = "manual"
    """By hand: what a new batch has unless it says otherwise."""
    IMMEDIATE = "immediate"
    """As soon as it is created."""
    SCHEDULED = "scheduled"
    """At `CallBatch.scheduled_at`."""


_FINISHED = frozenset({BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED})


@attrs.frozen(kw_only=True)
class CallBatch:
    """One call batch, as a listing shows it."""

    schedule_id: str
    """The batch's identifier: `"sched_7bac6f2a"`."""
    agent_id: str
    """The agent's identifier: `"agt-57949b14"`."""
    agent_name: str
    """The agent's name for people."""
    version_id: str
    """The prompt version's identifier: `"pmt-667ddf271b"`."""
    status: BatchStatus
    """Where the batch stands."""
    start_mode: StartMode
    """How the batch is started."""
    total_contacts: int
    """How many contacts the batch has."""
    completed_contacts: int
    """How many have been called with success."""
    failed_contacts: int
    """How many could not be reached."""
    scheduled_at: datetime | None = None
    """When the batch is to start, in UTC, where it was scheduled."""
    created_at: datetime
    """When the batch was created, in UTC."""

    @staticmethod
    def _offsets(batches: Iterable[CallBatch]) -> list[tzinfo | None]:
        """Return the offsets of all moments of these batches. Written out, since every page comes here."""
        offsets = [batch.scheduled_at.tzinfo for batch in batches if batch.scheduled_at is not None]
        return offsets + [batch.created_at.tzinfo for batch in batches]

    @property
    def pending_contacts(self) -> int:
        """How many contacts are still to be called."""
        return max(0, self.total_contacts) - self._done

    @property
    def progress(self) -> float:
        """The share of contacts done, failed ones included, from 0.0 to 1.0.

        A batch without contacts is done when it is finished.
        """
        if self.total_contacts <= 0:
            return float(self.is_finished)
        return self._done / self.total_contacts

    @property
    def _done(self) -> int:
        # Kept between 0 and the total, whatever the server counts.
        return max(0, min(self.completed_contacts + self.failed_contacts, self.total_contacts))

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen: completed, failed or cancelled."""
        return self.status in _FINISHED

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values, as the API writes them; `from_dict` reads them back unchanged."""
        return {name: _json_ready(getattr(self, name)) for name in _FIELDS}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` or the API wrote. Raises `ResponseDecodeError` that names a missing or mistyped field."""
        from ._decode import decode_item  # noqa: PLC0415  cattrs is not needed for the import of the package

        return decode_item(data, cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic, and so FastAPI, read, write and describe the class."""
        from ._pydantic import model_schema  # noqa: PLC0415  only pydantic comes here: it is not needed otherwise

        return model_schema(cls, handler)


_FIELDS = tuple(field.name for field in attrs.fields(CallBatch))


def _json_ready(value: object) -> object:
    if isinstance(value, datetime):
        # One without an offset, in a batch made by hand, is read as UTC, as the decoder does.
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, _OpenEnum) else value
