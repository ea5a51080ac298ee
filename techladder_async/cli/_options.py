"""The options that more than one command has."""

from __future__ import annotations

from typing import Annotated

import typer

from ..models import BatchStatus
from ._columns import NAMES


def _complete_status(incomplete: str) -> list[str]:
    return [status.value for status in BatchStatus if status.value.startswith(incomplete)]


def _complete_columns(incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in NAMES if name.startswith(last)]


StatusOption = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        help="Only batches with this status: pending, active, completed, failed or cancelled.",
        autocompletion=_complete_status,
    ),
]
AgentOption = Annotated[str | None, typer.Option("--agent-id", metavar="ID", help="Only this agent's batches.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, max=100, metavar="N", help="Size of a page. Without it, the largest.")
]
PageOption = Annotated[int, typer.Option("--page", min=1, metavar="N", help="The page to begin with.")]
MaxItemsOption = Annotated[
    int | None, typer.Option("--max-items", min=1, metavar="N", help="End after so many batches. Without it, get all.")
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B,C",
        help=f"What to show of each batch: {', '.join(NAMES)}.",
        autocompletion=_complete_columns,
    ),
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Lose nothing while the listing changes; may take more requests.")
]
PrefetchOption = Annotated[
    int, typer.Option("--prefetch", min=0, metavar="N", help="Pages that are fetched ahead of the one in work.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no remarks on stderr.")]
BaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="Where the API is. Without it, TECHLADDER_BASE_URL or the real one."
    ),
]
SandboxOption = Annotated[
    bool, typer.Option("--sandbox", help="Use made-up data from a sandbox in this process. Needs no key.")
]
