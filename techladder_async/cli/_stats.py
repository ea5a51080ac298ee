"""`techladder batches stats`: counts by status and by agent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

import attrs

from ..models import CallBatch
from ._columns import clean, percent
from ._progress import progress_bar, remark, walk, wants_bar
from ._source import Query, Source, connect
from ._tally import Tally
from ._writers import Format, Output, json_dumper

_BAR = 20


@attrs.define
class Stats:
    """The sums of a listing."""

    everything: Tally = attrs.field(factory=Tally)
    by_agent: dict[str, Tally] = attrs.field(factory=dict)
    names: dict[str, str] = attrs.field(factory=dict)
    """Each agent's name, as the listing's last batch of it said."""

    def add(self, batches: Sequence[CallBatch]) -> None:
        """Take more batches in."""
        for batch in batches:
            self.everything.add(batch)
            self.by_agent.setdefault(batch.agent_id, Tally()).add(batch)
            self.names[batch.agent_id] = batch.agent_name

    def agents(self) -> list[tuple[str, str, Tally]]:
        """Return id, name and sums of each agent, the one with the most batches first."""
        ordered = sorted(self.by_agent.items(), key=lambda item: (-item[1].batches, item[0]))
        return [(agent, self.names[agent], tally) for agent, tally in ordered]


async def print_stats(source: Source, query: Query, output: Output) -> None:
    """Walk through all batches and print what they come to."""
    stats = Stats()
    async with connect(source) as connection:
        listing = query.listing(connection.client)
        with progress_bar(show=wants_bar(output)) as tell:
            await walk(listing, query, stats.add, tell)
    if output.kind is Format.JSON:
        sys.stdout.write(json_dumper(sys.stdout)(_document(stats)) + "\n")
    elif sys.stdout.isatty():
        _print_pretty(stats)
    else:
        sys.stdout.writelines(_plain_lines(stats))
    remark(listing.report, output)


def _document(stats: Stats) -> dict[str, object]:
    agents = [{"agent_id": agent, "agent_name": name, **tally.to_dict()} for agent, name, tally in stats.agents()]
    return {**stats.everything.to_dict(), "by_agent": agents}


def _status_rows(stats: Stats) -> Iterator[tuple[str, int, float]]:
    for status, count in stats.everything.statuses():
        yield clean(status), count, count / max(1, stats.everything.batches)


def _plain_lines(stats: Stats) -> Iterable[str]:
    from ._plain import lines  # noqa: PLC0415  a terminal and JSON have no use for it

    statuses = [(status, str(count), percent(share)) for status, count, share in _status_rows(stats)]
    agents = [
        (
            clean(agent),
            clean(name),
            str(tally.batches),
            f"{tally.done_contacts}/{tally.total_contacts}",
            percent(tally.progress),
        )
        for agent, name, tally in stats.agents()
    ]
    yield from lines([("status", "batches", "share"), *statuses])
    yield "\n"
    yield from lines([("agent_id", "agent_name", "batches", "contacts", "progress"), *agents])


def _print_pretty(stats: Stats) -> None:
    from rich.console import Console  # noqa: PLC0415  Rich is slow to load, and a pipe has no use for it

    from ._look import agent_table, status_table  # noqa: PLC0415  likewise

    console = Console(highlight=False)
    console.print(status_table(stats.everything, _BAR))
    console.print(agent_table(stats.agents(), _BAR if console.width >= 100 else _BAR // 2))  # noqa: PLR2004  columns
