"""A walk, and the bar that shows how far it is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ._writers import Format, Output

if TYPE_CHECKING:
    from .._page import Page
    from .._pagination import Paginator
    from .._walk import WalkReport
    from ..models import CallBatch
    from ._source import Query

Tell = Callable[[int, int], object]
"""Takes how many batches are there, and how many there will be."""


async def walk(
    listing: Paginator[CallBatch], query: Query, take: Callable[[Sequence[CallBatch]], object], tell: Tell
) -> None:
    """Hand all batches to `take`, page by page."""
    done = 0
    expected: int | None = None
    async for page in listing.pages():
        expected = _expected(page, query) if expected is None else expected
        items = page.items if query.max_items is None else page.items[: query.max_items - done]
        take(items)
        done += len(items)
        tell(done, max(done, expected))


def _expected(first: Page[CallBatch], query: Query) -> int:
    """Say how many batches a walk will give, by its first page."""
    left = max(0, first.total - (first.page - 1) * first.limit)
    return left if query.max_items is None else min(left, query.max_items)


def wants_bar(output: Output) -> bool:
    """Say whether a bar would be seen, and would not get between lines of output in the same terminal."""
    streams = output.kind in {Format.NDJSON, Format.CSV, Format.JSON}
    return not output.quiet and sys.stderr.isatty() and not (streams and sys.stdout.isatty())


@contextlib.contextmanager
def progress_bar(*, show: bool) -> Iterator[Tell]:
    """Give what moves a bar on stderr. The bar is gone when the block ends."""
    if not show:
        yield lambda _done, _expected: None
        return
    from rich.console import Console  # noqa: PLC0415  Rich is slow to load, and often nobody looks
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415  likewise

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_interactive) as progress:
        task = progress.add_task("Call batches", total=None)
        yield lambda done, expected: progress.update(task, completed=done, total=expected)


def remark(report: WalkReport, output: Output) -> None:
    """Say on stderr what the output itself does not show."""
    if report.settled is False:
        sys.stderr.write("techladder: the listing did not come to rest: batches may be missing\n")
    elif not report.items and output.kind is Format.TABLE and not output.quiet:
        sys.stderr.write("techladder: no call batch matches\n")
