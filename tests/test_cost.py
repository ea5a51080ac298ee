"""What a walk costs, counted and not timed: the package's own Python calls for each page and for each item."""

import sys
from collections import Counter
from pathlib import Path

import pytest

import techladder_async
from techladder_async import AsyncTechLadder
from techladder_async.sandbox import Sandbox

PACKAGE = str(Path(techladder_async.__file__).parent)
SANDBOX = str(Path(PACKAGE, "sandbox"))

MOST_FOR_A_PAGE = 100
"""Calls, those into a coroutine that goes on included. It was 91 when this was written: the rest is a margin."""


class Counting:
    """Counts the calls of the package's own functions in this thread."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        sys.setprofile(self._note)
        return self.calls

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE) and not file.startswith(SANDBOX):
            self.calls[f"{file.removeprefix(PACKAGE)}:{frame.f_code.co_qualname}"] += 1


async def walk(client, limit, pages):
    """Return the calls of one walk."""
    with Counting() as calls:
        async for _ in client.call_batches.list(limit=limit, max_items=limit * pages, prefetch=0):
            pass
    return calls


async def for_a_page(client, limit):
    """Return the calls that one more page costs, once everything is warm."""
    few, many = await walk(client, limit, 10), await walk(client, limit, 30)
    return (many - few).total() / 20, many - few


@pytest.fixture
def served():
    """Give a sandbox in a thread of its own, whose calls do not count."""
    with Sandbox(2000, rate_limit=100_000) as sandbox:
        yield sandbox


@pytest.mark.asyncio
async def test_calls_for_a_page_and_for_an_item(served):
    """An item costs one call, and a page no more than it did."""
    async with AsyncTechLadder(served.api_key, base_url=served.url) as client:
        await client.call_batches.list(max_items=40, limit=10).collect()
        ten, _ = await for_a_page(client, 10)
        twenty, calls = await for_a_page(client, 20)
    for_an_item = (twenty - ten) / 10
    assert for_an_item == pytest.approx(1, abs=0.05)
    assert ten - 10 * for_an_item <= MOST_FOR_A_PAGE, calls.most_common(60)
