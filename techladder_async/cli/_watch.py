"""`techladder batches watch`: the listing again and again, until nothing in it will change."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime

from ..models import CallBatch
from ._columns import clean, percent
from ._run import USAGE, Failure
from ._source import SECONDS_A_REQUEST, Query, Source, connect
from ._tally import Tally

Show = Callable[[Sequence[CallBatch]], object]

_SANDBOX_BATCHES = 30


async def watch_batches(
    source: Source, query: Query, interval: float, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Show the batches every `interval` seconds, or as often as the rate limit lets, until all have finished."""
    if not math.isfinite(interval):
        raise Failure("--interval must be a number of seconds", USAGE)
    async with connect(source, _SANDBOX_BATCHES) as connection:
        with screen() as show:
            while True:
                listing = query.listing(connection.client)
                batches = await listing.collect()
                show(batches)
                if all(batch.is_finished for batch in batches):
                    return
                await sleep(max(interval, listing.report.requests * SECONDS_A_REQUEST))
                if connection.advance is not None:
                    connection.advance()


@contextlib.contextmanager
def screen() -> Iterator[Show]:
    """Give what shows a snapshot: a live table in a terminal, a line elsewhere."""
    if not sys.stdout.isatty():
        yield show_line
        return
    from rich.console import Console  # noqa: PLC0415  Rich is slow to load, and a pipe has no use for it

    console = Console(highlight=False)
    if not console.is_interactive:  # TERM=dumb: it cannot go back over what it has written
        yield show_line
        return
    from rich.live import Live  # noqa: PLC0415  Rich is slow to load

    from ._look_live import LiveView  # noqa: PLC0415  likewise

    view = LiveView(console)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda batches: live.update(view.render(batches, datetime.now().astimezone()), refresh=True)


def show_line(batches: Sequence[CallBatch]) -> None:
    """Print the sums in one line."""
    tally = Tally.of(batches)
    counts = "  ".join(f"{clean(status)} {count}" for status, count in tally.statuses())
    sys.stdout.write(f"{datetime.now().astimezone():%H:%M:%S}  {counts}  contacts {percent(tally.progress)}\n")
    sys.stdout.flush()
