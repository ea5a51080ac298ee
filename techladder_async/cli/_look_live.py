"""The live view: sums on top, and as many of the batches that move as the terminal has lines for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group
from rich.text import Text

from ..models import BatchStatus, CallBatch
from ._columns import clean
from ._look import bar_text, batch_table, colour_of
from ._tally import Tally

_AROUND = 7  # lines of the screen that are not rows of the table, the cursor's included
_BAR = 24


class LiveView:
    """Renders snapshots of a listing. Batches that had finished before the first one are only counted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._moving: set[str] = set()

    def render(self, batches: Sequence[CallBatch], now: datetime) -> Group:
        """Return the view of a snapshot that was taken at `now`."""
        self._moving.update(batch.schedule_id for batch in batches if not batch.is_finished)
        rows = sorted((batch for batch in batches if batch.schedule_id in self._moving), key=_urgency)
        shown = rows[: max(1, self._console.height - _AROUND)]
        hidden = len(rows) - len(shown)
        return Group(
            _headline(Tally.of(batches), now),
            Text(),
            batch_table(shown, None, self._console.width) if shown else Text("nothing is pending or active"),
            Text(f"and {hidden} more" if hidden else "", "dim"),
        )


def _urgency(batch: CallBatch) -> int:
    """Put those that run first, then those that wait, then those that have ended."""
    if batch.is_finished:
        return 2
    return 1 if batch.status == BatchStatus.PENDING else 0


def _headline(tally: Tally, now: datetime) -> Text:
    line = Text()
    for status, count in tally.statuses():
        if count:
            line.append(f"{count} {clean(status)}", colour_of(status)).append("  ")
    line.append("\n").append_text(bar_text(tally.progress, "cyan", _BAR)).append(" of all contacts")
    return line.append(f"  {now:%H:%M:%S}", "dim")
