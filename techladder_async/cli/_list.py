"""`techladder batches list`."""

from __future__ import annotations

import sys

from ..errors import TechLadderError
from ._progress import progress_bar, remark, walk, wants_bar
from ._run import Failure
from ._source import Query, Source, connect
from ._writers import Output, make_writer


async def list_batches(source: Source, query: Query, output: Output) -> None:
    """Print the batches to stdout, and progress to stderr where a terminal shows it."""
    writer = make_writer(output, sys.stdout)
    async with connect(source) as connection:
        listing = query.listing(connection.client)
        try:
            with progress_bar(show=wants_bar(output)) as tell:
                await walk(listing, query, writer.write, tell)
        except TechLadderError as error:
            writer.end(complete=False)
            raise _with_hint(error, query) from None
    writer.end(complete=True)
    remark(listing.report, output)


def _with_hint(error: TechLadderError, query: Query) -> Exception:
    """Add how to go on, where a part of the listing has been printed."""
    if error.page is None or error.page <= query.page:
        return error
    return Failure(f"{error}; --page {error.page} goes on from there")
