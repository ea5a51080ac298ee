"""What the tables for terminals look like, drawn in this process."""

import io
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from techladder_async import CallBatch
from techladder_async.cli._columns import NAMES
from techladder_async.cli._look import batch_table, print_batches
from techladder_async.cli._look_live import LiveView
from techladder_async.sandbox import Sandbox

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
NOW = datetime(2026, 5, 14, 10, 0, tzinfo=UTC)


def batches_of(sandbox):
    """Return a sandbox's batches as models."""
    return [CallBatch.from_dict(batch) for batch in sandbox.batches]


def drawn(picture, width=100, height=24, **options):
    """Return what a terminal of this size would show, with its escapes."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, highlight=False, **options)
    console.print(picture)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, ["schedule_id", "agent_name", "status", "progress", "contacts", "created_at"]),
        (80, ["schedule_id", "agent_name", "status", "progress", "contacts"]),
        (60, ["schedule_id", "agent_name", "status", "progress", "contacts"]),
        (40, ["schedule_id", "status", "progress"]),
    ],
)
def test_a_table_fits_its_terminal(width, shown):
    """A table shows what there is room for, within the width, and every id in full."""
    batches = batches_of(Sandbox(50))
    lines = ESCAPE.sub("", drawn(batch_table(batches, None, width), width)).splitlines()
    assert lines[0].split() == shown
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines[2:]] == [batch.schedule_id for batch in batches]
    assert any("━" in line for line in lines[2:]) == (width >= 80)


@pytest.mark.parametrize("width", [40, 90, 200])
def test_no_cell_but_a_name_is_cut(width):
    """A table with every column is wider than a narrow terminal rather than short of a character of an id or date."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    batches = batches_of(Sandbox(5))
    print_batches(batches, NAMES, console)
    lines = console.file.getvalue().splitlines()
    for line, batch in zip(lines[2:], batches, strict=True):
        for value in (batch.schedule_id, batch.agent_id, batch.version_id, f"{batch.created_at:%Y-%m-%d %H:%M}"):
            assert value in line
    assert all(batch.agent_name[:11] in line for line, batch in zip(lines[2:], batches, strict=True))


def test_text_of_the_api_is_shown_and_not_obeyed():
    """Markup and emoji codes in a name are shown as they are; escapes are gone; an unknown status has a colour."""
    sandbox = Sandbox(1)
    name = "[red]:smile:[/red]\x1b[31m \x9b31mx\r\ny"
    sandbox.update_batch(sandbox.batches[0]["schedule_id"], agent_name=name, status="[bold]paused\x1b[2J")
    picture = drawn(batch_table(batches_of(sandbox), None, 100))
    assert "[red]:smile:[/red] x y" in picture
    assert re.search(r"\x1b\[35m\[bold\]paused\x1b\[0m", picture)
    assert "\x9b" not in picture
    assert "\x1b[2J" not in picture


def test_the_live_view_shows_what_moves():
    """Finished batches are counted and not listed; those that end while one watches stay, below the others."""
    sandbox, view = Sandbox(30), LiveView(Console(width=100, height=60))
    at_first = batches_of(sandbox)
    moving = {batch.schedule_id for batch in at_first if not batch.is_finished}
    for _ in range(4):
        batches = batches_of(sandbox)
        lines = ESCAPE.sub("", drawn(view.render(batches, NOW), height=60)).splitlines()
        sandbox.advance()
    assert lines[0].split()[:2] == [str(sum(batch.status == "active" for batch in batches)), "active"]
    assert lines[1].endswith("of all contacts  10:00:00")
    rows = [line.split() for line in lines if line.startswith("sched_")]
    assert {row[0] for row in rows} == moving
    ranks = {"active": 0, "pending": 1, "completed": 2, "failed": 2}
    order = [next(ranks[word] for word in row if word in ranks) for row in rows]
    assert order == sorted(order)
    assert set(order) >= {0, 2}


def test_the_live_view_keeps_to_the_screen():
    """The view is lower than the terminal, and says how many batches it leaves out."""
    batches = batches_of(Sandbox(200))
    lines = drawn(LiveView(Console(width=80, height=20)).render(batches, NOW), 80, 20).splitlines()
    rows = [line for line in lines if "sched_" in line]
    moving = sum(not batch.is_finished for batch in batches)
    assert len(lines) < 20
    assert f"and {moving - len(rows)} more" in lines[-1]


def test_a_live_view_of_nothing():
    """Where nothing moves, the view says so."""
    assert "nothing is pending or active" in drawn(LiveView(Console(width=80, height=20)).render([], NOW))


def test_bars_are_read_without_colours():
    """With NO_COLOR there is no colour in a table, and a bar's end can still be seen."""
    picture = drawn(batch_table(batches_of(Sandbox(5)), None, 80), 80, no_color=True)
    assert not re.search(r"\x1b\[[0-9;]*[39][0-7]m", picture)
    assert "━" in picture
    assert "─" in picture.partition("sched_")[2]
