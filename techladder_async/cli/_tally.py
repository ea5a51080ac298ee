"""Sums over batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from ..models import BatchStatus, CallBatch


@attrs.define
class Tally:
    """What some batches come to."""

    batches: int = 0
    by_status: Counter[BatchStatus] = attrs.field(factory=Counter)
    total_contacts: int = 0
    completed_contacts: int = 0
    failed_contacts: int = 0

    @classmethod
    def of(cls, batches: Iterable[CallBatch]) -> Tally:
        """Sum batches up."""
        tally = cls()
        for batch in batches:
            tally.add(batch)
        return tally

    def add(self, batch: CallBatch) -> None:
        """Take one more batch in."""
        self.batches += 1
        self.by_status[batch.status] += 1
        self.total_contacts += batch.total_contacts
        self.completed_contacts += batch.completed_contacts
        self.failed_contacts += batch.failed_contacts

    @property
    def done_contacts(self) -> int:
        """How many contacts are done, failed ones included."""
        return self.completed_contacts + self.failed_contacts

    @property
    def progress(self) -> float:
        """The share of contacts done, failed ones included, from 0.0 to 1.0."""
        if self.total_contacts <= 0:
            return 0.0
        return min(1.0, max(0.0, self.done_contacts / self.total_contacts))

    def statuses(self) -> list[tuple[BatchStatus, int]]:
        """Return the count of each status: all documented ones in their order, then others that came."""
        others = sorted(status for status in self.by_status if not status.is_known)
        return [(status, self.by_status[status]) for status in (*BatchStatus, *others)]

    def to_dict(self) -> dict[str, Any]:
        """Return the sums as JSON-ready values."""
        return {
            "batches": self.batches,
            "by_status": {str(status): count for status, count in self.statuses()},
            "total_contacts": self.total_contacts,
            "completed_contacts": self.completed_contacts,
            "failed_contacts": self.failed_contacts,
        }
