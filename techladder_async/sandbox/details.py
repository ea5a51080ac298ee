"""What the API shows of one batch beyond the listing: its settings and its calls, derived from the batch alone."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Any

from .data import AGENTS, Batch, stamp

_IN_FLIGHT = ("ringing", "queued")


def batch_details(batch: Batch) -> dict[str, Any]:
    """Return a batch with the fields that only `GET …/call-batches/{batch_id}` gives."""
    mark = zlib.crc32(batch["schedule_id"].encode())
    started = _started(batch)
    handled = batch["completed_contacts"] + batch["failed_contacts"]
    return batch | {
        "voice": next((agent.voice for agent in AGENTS if agent.agent_id == batch["agent_id"]), AGENTS[0].voice),
        "did_number": f"+1202555{100 + mark % 100:04d}",
        "pending_contacts": batch["total_contacts"] - handled,
        "concurrency": 1 + mark % 20,
        "recording_enabled": mark % 4 != 0,
        "started_at": started and stamp(started),
        "updated_at": stamp(started + timedelta(minutes=handled)) if started else batch["created_at"],
    }


def batch_calls(batch: Batch) -> list[dict[str, Any]]:
    """Return the calls of a batch, one a contact: the completed ones, the failed ones, then those to come."""
    mark = zlib.crc32(batch["schedule_id"].encode())
    started = _started(batch)
    return [_call(batch, mark, number, started) for number in range(batch["total_contacts"])]


def _call(batch: Batch, mark: int, number: int, started: datetime | None) -> dict[str, Any]:
    status = _call_status(batch, number)
    begun = started + timedelta(minutes=number) if started and status in {"completed", "failed"} else None
    duration = (mark + number * 37) % 170 + 10 if status == "completed" else 0
    return {
        # An odd factor maps one to one, so that no two calls of a batch share an id.
        "call_id": f"call_{(mark + number * 2654435761) & 0xFFFFFFFF:08x}",
        "external_id": f"contact-{number + 1:05d}",
        "phone_number": f"+1202555{100 + number % 100:04d}",
        "name": f"Contact {number + 1}",
        "status": status,
        "duration_seconds": duration if begun else None,
        "started_at": begun and stamp(begun),
        "ended_at": begun and stamp(begun + timedelta(seconds=duration)),
        "metadata": {"row": str(number + 1)},
    }


def _call_status(batch: Batch, number: int) -> str:
    if number < batch["completed_contacts"]:
        return "completed"
    upcoming = number - batch["completed_contacts"] - batch["failed_contacts"]
    if upcoming < 0:
        return "failed"
    return _IN_FLIGHT[upcoming] if batch["status"] == "active" and upcoming < len(_IN_FLIGHT) else "pending"


def _started(batch: Batch) -> datetime | None:
    if batch["status"] == "pending":
        return None
    return datetime.fromisoformat(batch["scheduled_at"] or batch["created_at"]) + timedelta(seconds=30)
