"""Tables where there is no terminal: aligned, nothing cut off, no colours and no bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from ..models import CallBatch
from ._columns import NUMBERS, text

_GAP = "  "


def batch_lines(batches: Sequence[CallBatch], names: Sequence[str]) -> Iterator[str]:
    """Give the lines of a table of batches, the header first."""
    return lines([names, *([text(batch, name) for name in names] for batch in batches)])


def lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Give the lines of a table whose first row is the header; those of numbers are aligned to the right."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            _padded(cell, width, right=name in NUMBERS) for cell, width, name in zip(row, widths, rows[0], strict=True)
        ]
        yield _GAP.join(cells).rstrip() + "\n"


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(cell))  # cells, not characters: a CJK name takes two for each
    return space + cell if right else cell + space
