"""The listing of batches: filters, pages and the ways in which it changes. No HTTP here."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import data

if TYPE_CHECKING:
    from random import Random

    from .data import Batch

_CACHED_FILTERS = 64
_LIVE = frozenset({"pending", "active"})


class Listing:
    """The batches of an account, newest created first. Every method may be called from any thread.

    Batches are replaced, never changed in place: what was handed out stays as it was.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._seed = seed
        self._batches: dict[str, Batch] = {}
        for batch in reversed(data.make_batches(count, seed)):
            self._batches[batch["schedule_id"]] = batch  # oldest first: a dict grows at its end
        self._made = count
        self._steps = 0
        self._newest = data.NEWEST
        self._filtered: dict[tuple[str | None, str | None], list[Batch]] = {}
        self._lock = threading.RLock()

    def select(self, agent_id: str | None = None, status: str | None = None) -> list[Batch]:
        """Return the batches that match, newest first. The list is shared: read it, do not change it."""
        with self._lock:
            key = (agent_id, status)
            if key not in self._filtered:
                if len(self._filtered) >= _CACHED_FILTERS:
                    self._filtered.clear()
                self._filtered[key] = [
                    batch
                    for batch in reversed(self._batches.values())
                    if agent_id in (None, batch.get("agent_id")) and status in (None, batch.get("status"))
                ]
            return self._filtered[key]

    def get(self, schedule_id: str) -> Batch | None:
        """Return the batch with this id, or `None`."""
        with self._lock:
            return self._batches.get(schedule_id)

    def add(self, fields: dict[str, Any]) -> Batch:
        """Put a new batch at the head and return it. `ValueError` when its id is taken."""
        with self._lock:
            fields = _json_copy(fields)
            created = self._newest + timedelta(minutes=1)
            batch = data.new_batch(self._seed, self._next_number(), created, fields)
            schedule_id = batch["schedule_id"]
            if not isinstance(schedule_id, str) or schedule_id in self._batches:
                raise ValueError(f"schedule_id must be a string that no other batch has, not {schedule_id!r}")
            self._newest = created
            self._put(batch)
            return batch

    def remove(self, schedule_id: str) -> None:
        """Take a batch out. `KeyError` when there is none with this id."""
        with self._lock:
            del self._batches[self._known(schedule_id)]
            self._filtered.clear()

    def update(self, schedule_id: str, fields: dict[str, Any]) -> Batch:
        """Change fields of a batch and return it as it is then. `KeyError` when there is none with this id."""
        with self._lock:
            batch = self._batches[self._known(schedule_id)] | _json_copy(fields)
            self._put(batch)
            return batch

    def advance(self) -> int:
        """Move the world one step forward and return how many batches changed: none when all have ended."""
        with self._lock:
            self._steps += 1
            draws = data.generator("step", self._seed, self._steps)
            live = [batch for batch in self._batches.values() if batch.get("status") in _LIVE]
            changed = [after for batch in live if (after := _step(batch, draws, first=batch is live[0])) is not batch]
            for batch in changed:
                self._put(batch)
            return len(changed)

    def _put(self, batch: Batch) -> None:
        self._batches[batch["schedule_id"]] = batch
        self._filtered.clear()

    def _next_number(self) -> int:
        while data.make_id(self._seed, self._made) in self._batches:
            self._made += 1
        return self._made

    def _known(self, schedule_id: str) -> str:
        if schedule_id not in self._batches:
            raise KeyError(f"no batch {schedule_id!r} in this sandbox")
        return schedule_id


def _step(batch: Batch, draws: Random, *, first: bool) -> Batch:
    """Start a pending batch (every second one, and always the first, so that a world always ends), or do some calls."""
    part, ill = draws.random(), draws.random()
    if batch["status"] == "pending":
        return batch | {"status": "active"} if first or part < 0.5 else batch  # noqa: PLR2004  every second one
    done, failed, total = batch["completed_contacts"], batch["failed_contacts"], batch["total_contacts"]
    more = max(0, min(total - done - failed, 1 + int(total * (0.1 + part * 0.25))))
    bad = int(more * ill * 0.2)
    ended = done + failed + more >= total
    return batch | {
        "status": "completed" if ended else "failed" if ill > 0.98 else "active",  # noqa: PLR2004  one in fifty
        "completed_contacts": done + more - bad,
        "failed_contacts": failed + bad,
    }


def _json_copy(fields: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(fields))  # TypeError here rather than a 500 later
    return copy
