"""What can be said of a batch: as values for programs, and as short texts for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from .._text import one_line
from ..models import CallBatch
from ._run import USAGE, Failure

FIELDS = tuple(field.name for field in attrs.fields(CallBatch))
"""The API's own fields, in its order."""

_DERIVED: Mapping[str, Callable[[CallBatch], Any]] = {
    "pending_contacts": lambda batch: batch.pending_contacts,
    "progress": lambda batch: round(batch.progress, 4),
    "contacts": lambda batch: f"{batch.completed_contacts + batch.failed_contacts}/{batch.total_contacts}",
    "is_finished": lambda batch: batch.is_finished,
}
NAMES = (*FIELDS, *_DERIVED)
NUMBERS = frozenset(name for name in NAMES if name.endswith("contacts")) | {"batches", "progress", "share"}
"""The columns that are aligned to the right, in tables of batches and of sums."""
AT_A_GLANCE = ("schedule_id", "agent_name", "status", "progress", "contacts")
"""What a table shows unless it is told: 73 characters with the usual names, so that 80 are enough."""

# What a terminal obeys: CSI (colours, cursor), OSC (titles, links) with its text, and two-character escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]", re.DOTALL
)


def parse_names(text: str) -> tuple[str, ...]:
    """Read `--columns`: names with commas between them. `Failure` for an unknown one."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in NAMES:
            raise Failure(f"--columns: there is no {name!r}; there are {', '.join(NAMES)}", USAGE)
    return names


def values(batch: CallBatch, names: Sequence[str]) -> dict[str, Any]:
    """Return JSON-ready values, as the API writes them."""
    fields = batch.to_dict()
    return {name: fields[name] if name in fields else _DERIVED[name](batch) for name in names}


def text(batch: CallBatch, name: str) -> str:
    """Return a short text for people, in one line and with nothing in it that a terminal would obey."""
    if name == "progress":
        return percent(batch.progress)
    value = _DERIVED[name](batch) if name in _DERIVED else getattr(batch, name)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else clean(str(value))


def percent(share: float) -> str:
    """Write a share, rounded down: 100% is said of what is done, and of nothing else."""
    return f"{int(share * 100)}%"


def clean(value: str) -> str:
    """Return text of the API's in one line, without terminal escapes and control characters."""
    return one_line(_ESCAPES.sub("", value), max(1, len(value)))
