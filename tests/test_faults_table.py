"""Each row of the table of faults is a test, and the README holds the same table.

`python -m tests.test_faults_table` prints it.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from techladder_async import AsyncTechLadder, Page, TechLadderError
from tests.clients import AT_ONCE, KEY, one_page
from tests.fault_rows import GROUPS, Row
from tests.fault_server import FaultServer

README = Path(__file__).parent.parent / "README.md"
ROWS = [pytest.param(row, id=f"{group}: {row.fault}") for group, rows in GROUPS.items() for row in rows]


def table() -> str:
    """Give the table in Markdown."""
    lines = ["| what goes wrong | what the client does | what the caller sees |", "|---|---|---|"]
    for group, rows in GROUPS.items():
        lines += [f"| **{group}** | | |", *(row.markdown for row in rows)]
    return "\n".join(lines)


async def outcome_of(row: Row, url: str) -> Any:
    """Return what the caller gets, an error as a value."""
    options = {"api_key": KEY, "base_url": url, "retry": AT_ONCE, "timeout": 0.9, **row.options}
    try:
        async with AsyncTechLadder(**options) as client:
            return await row.use(client)
    except Exception as raised:  # noqa: BLE001  whatever it is, the row says what it should be
        return raised


@pytest.mark.asyncio
@pytest.mark.parametrize("row", ROWS)
async def test_row(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sends as many requests as the row says, and its caller sees what the row says."""
    monkeypatch.delenv("TECHLADDER_API_KEY", raising=False)
    async with FaultServer(*row.script, repeat_last=True) as server:
        outcome = await outcome_of(row, server.url)
        assert len(server.requests) == row.sent, outcome
        assert server.unexpected == []
    kind, _, text = row.sees.partition(": ")
    if text:
        assert type(outcome).__name__ == kind
        assert text in "\n".join([str(outcome), *getattr(outcome, "__notes__", ())])
        assert KEY not in repr(outcome) + str(outcome)
        if isinstance(outcome, TechLadderError) and row.use is one_page:
            assert outcome.attempts == row.attempts
    else:
        assert isinstance(outcome, Page | list)


def test_rows_are_many_and_distinct() -> None:
    """The table has at least 60 rows, and no two of one group do the same."""
    assert sum(map(len, GROUPS.values())) >= 60
    for rows in GROUPS.values():
        cases = [(row.script, row.use, repr(row.options)) for row in rows]
        assert all(case not in cases[:number] for number, case in enumerate(cases) if case[0])


def test_the_readme_holds_the_table() -> None:
    """What the README says between its markers is the table that is tested here."""
    found = re.search(r"<!-- faults -->\n(.*?)\n?<!-- /faults -->", README.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        pytest.skip("the README has no place for the table")
    assert found[1].strip() == table()


if __name__ == "__main__":
    print(table())  # noqa: T201  that is what it is started for
