"""Tables in a terminal: colours by status, and progress bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..models import BatchStatus, CallBatch
from ._columns import AT_A_GLANCE, NUMBERS, clean, percent, text
from ._tally import Tally

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    BatchStatus.PENDING: "yellow",
    BatchStatus.ACTIVE: "cyan",
    BatchStatus.COMPLETED: "green",
    BatchStatus.FAILED: "red",
    BatchStatus.CANCELLED: "dim",
}
_UNKNOWN = "magenta"
# What a table shows unless it is told, by the width that the terminal has at least.
_BY_WIDTH = ((100, (*AT_A_GLANCE, "created_at")), (60, AT_A_GLANCE), (0, ("schedule_id", "status", "progress")))
_ROOM_FOR_BARS = 80
_SHORTEST_NAME = 12  # how far an agent's name gives way
_ENDLESS = 10_000
_BAR = 10
_BARS = {"progress", "share"}  # as wide as each other, and best with the header above the bar


def print_batches(batches: Sequence[CallBatch], names: Sequence[str] | None, console: Console) -> None:
    """Print a table of batches. A line that the terminal wraps is better than an id that is cut off."""
    table = batch_table(batches, names, console.width)
    natural = Measurement.get(console, console.options.update_width(_ENDLESS), table).maximum
    widest = max((cell_len(clean(batch.agent_name)) for batch in batches), default=0)
    can_give = max(0, widest - _SHORTEST_NAME) if names is None or "agent_name" in names else 0
    console.width = max(console.width, natural - can_give)
    console.print(table)


def batch_table(batches: Iterable[CallBatch], names: Sequence[str] | None, width: int) -> Table:
    """Return a table for a terminal of this width; without names it shows what there is room for."""
    names = names or next(names for least, names in _BY_WIDTH if width >= least)
    bar = _BAR if width >= _ROOM_FOR_BARS else 0
    table = new_table(names, shrink={"agent_name"})
    for batch in batches:
        table.add_row(*(_cell(batch, name, bar) for name in names))
    return table


def new_table(names: Sequence[str], shrink: Iterable[str] = ()) -> Table:
    """Return an empty table in the program's manner. Columns in `shrink` give way where there is no room for all."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        right = name in NUMBERS - _BARS
        table.add_column(name, justify="right" if right else "left", no_wrap=name not in shrink)
    return table


def bar_text(share: float, colour: str, width: int) -> Text:
    """Draw a share from 0 to 1, with its percentage. It can be read without colours too."""
    full = int(share * width)
    gap = " " if width else ""
    return Text.assemble(("━" * full, colour), ("─" * (width - full), "dim"), f"{gap}{percent(share):>4}")


def colour_of(status: BatchStatus) -> str:
    """Return a status's colour."""
    return COLOURS.get(status, _UNKNOWN)


def status_text(status: BatchStatus) -> Text:
    """Return a status in its colour."""
    return Text(clean(status), colour_of(status))


def _cell(batch: CallBatch, name: str, bar: int) -> Text:
    # A Text is shown as it is: square brackets in it are no markup.
    if name == "status":
        return status_text(batch.status)
    if name == "progress":
        return bar_text(batch.progress, colour_of(batch.status), bar)
    return Text(text(batch, name), no_wrap=True, overflow="ellipsis")


def status_table(tally: Tally, bar: int) -> Table:
    """Return a table of the counts by status."""
    table = new_table(("status", "batches", "share"))
    for status, count in tally.statuses():
        share = bar_text(count / max(1, tally.batches), colour_of(status), bar)
        table.add_row(status_text(status), str(count), share)
    table.add_section()
    table.add_row("all", str(tally.batches), "")
    return table


def agent_table(agents: Iterable[tuple[str, str, Tally]], bar: int) -> Table:
    """Return a table of the sums by agent: id, name and sums of each."""
    table = new_table(("agent_id", "agent_name", "batches", "contacts", "progress"), shrink={"agent_name"})
    for agent, name, tally in agents:
        table.add_row(
            Text(clean(agent)),
            Text(clean(name), no_wrap=True, overflow="ellipsis"),
            str(tally.batches),
            f"{tally.done_contacts}/{tally.total_contacts}",
            bar_text(tally.progress, "cyan", bar),
        )
    return table
