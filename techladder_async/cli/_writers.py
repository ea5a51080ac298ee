"""The four formats of a listing. Those for programs stream: a page is out before the next one is asked for."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol, TextIO

import attrs

from ..models import CallBatch
from ._columns import AT_A_GLANCE, FIELDS, clean, values


class Format(StrEnum):
    """What `--output` takes."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


@attrs.frozen
class Output:
    """What the options say of the output."""

    kind: Format = Format.TABLE
    names: tuple[str, ...] | None = None
    """The columns; without them all of the API's fields, and in a table the chief ones."""
    quiet: bool = False


class Writer(Protocol):
    """Takes a walk's batches, page by page."""

    def write(self, batches: Sequence[CallBatch]) -> None:
        """Take more of them."""

    def end(self, *, complete: bool) -> None:
        """Write what is left; `complete` says whether the walk came to its end."""


class NdjsonWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self._stream = stream
        self._names = names
        self._dump = json_dumper(stream)

    def write(self, batches: Sequence[CallBatch]) -> None:
        """Write a line for each."""
        self._stream.write("".join(f"{self._dump(values(batch, self._names))}\n" for batch in batches))
        self._stream.flush()

    def end(self, *, complete: bool) -> None:
        """Nothing is left."""


class JsonWriter:
    """One array, an item a line. It stays open when the walk fails, so that no part is taken for the whole."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self._stream = stream
        self._names = names
        self._dump = json_dumper(stream)
        self._before = "[\n"

    def write(self, batches: Sequence[CallBatch]) -> None:
        """Write an item for each."""
        for batch in batches:
            self._stream.write(self._before + self._dump(values(batch, self._names)))
            self._before = ",\n"
        self._stream.flush()

    def end(self, *, complete: bool) -> None:
        """Close the array."""
        if complete:
            self._stream.write("[]\n" if self._before == "[\n" else "\n]\n")


class CsvWriter:
    """A header, then a record each, as RFC 4180 says it: lines end with CR LF, an absent value is empty.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; the JSON formats leave it alone.
    """

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self._stream = stream
        self._names = names
        self._csv = csv.writer(stream)
        self._pending_header = True

    def write(self, batches: Sequence[CallBatch]) -> None:
        """Write a record for each."""
        self._write_header()
        self._csv.writerows(map(_csv_text, values(batch, self._names).values()) for batch in batches)
        self._stream.flush()

    def end(self, *, complete: bool) -> None:
        """Write the header of a listing that was empty."""
        if complete:
            self._write_header()

    def _write_header(self) -> None:
        if self._pending_header:
            self._csv.writerow(self._names)
            self._pending_header = False


class TableWriter:
    """A table, once all rows are there: its columns are as wide as they must be."""

    def __init__(self, stream: TextIO, names: Sequence[str] | None) -> None:
        self._stream = stream
        self._names = names
        self._batches: list[CallBatch] = []

    def write(self, batches: Sequence[CallBatch]) -> None:
        """Keep them."""
        self._batches += batches

    def end(self, *, complete: bool) -> None:
        """Print the table, what there is of it where the walk failed."""
        if not complete and not self._batches:
            return
        if self._stream.isatty():
            from rich.console import Console  # noqa: PLC0415  it is slow to load, and a pipe has no use for it

            from ._look import print_batches  # noqa: PLC0415  likewise

            print_batches(self._batches, self._names, Console(highlight=False))
        else:
            from ._plain import batch_lines  # noqa: PLC0415  and a terminal none for this

            self._stream.writelines(batch_lines(self._batches, self._names or AT_A_GLANCE))


_STREAMING: dict[Format, Callable[[TextIO, Sequence[str]], Writer]] = {
    Format.JSON: JsonWriter,
    Format.NDJSON: NdjsonWriter,
    Format.CSV: CsvWriter,
}


def make_writer(output: Output, stream: TextIO) -> Writer:
    """Return the writer for a format."""
    if output.kind is Format.TABLE:
        return TableWriter(stream, output.names)
    return _STREAMING[output.kind](stream, output.names or FIELDS)


def json_dumper(stream: TextIO) -> Callable[[Any], str]:
    """Return a function that writes JSON which the stream can encode and no terminal obeys."""
    as_it_is = (stream.encoding or "utf-8").lower().startswith("utf")

    def dump(value: object) -> str:
        return _UNFIT.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=not as_it_is))

    return dump


# json escapes the control characters below the space; these are the others: DEL, C1, bidi marks, lone surrogates.
_UNFIT = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def _csv_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    safe = clean(value)
    return f"'{safe}" if safe.startswith(("=", "+", "-", "@")) else safe
