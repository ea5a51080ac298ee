"""Every use of a list, over real sockets against the sandbox."""

import copy
import pickle
import re
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp.abc import AbstractStreamWriter
from aioresponses import aioresponses

from techladder_async import (
    APIConnectionError,
    AsyncTechLadder,
    AuthenticationError,
    Page,
    RetryPolicy,
    WalkReport,
)
from techladder_async.sandbox import Sandbox
from tests.faults import batch, error, page
from tests.memory_api import ids


def pages_asked(sandbox: Sandbox) -> list[tuple[str, str | None]]:
    """Give page and limit of each request."""
    return [(request.query["page"], request.query.get("limit")) for request in sandbox.requests]


def names(items: Any) -> list[str]:
    """Give the ids, of the sandbox's batches or of the client's."""
    return [item["schedule_id"] if isinstance(item, dict) else item.schedule_id for item in items]


# --- the uses ---


@pytest.mark.asyncio
async def test_a_single_page(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """Awaiting gives the first page, with the server's own limit, anew each time; the pages after it by hand."""
    paginator = client.call_batches.list()
    first = await paginator
    assert (first.page, first.limit, first.total, first.has_more, len(first)) == (1, 50, 500, True, 50)
    assert names(first) == names(sandbox.batches[:50])
    second = await first.get_next_page()
    assert await paginator == first
    assert names(second) == names(sandbox.batches[50:100])
    assert pages_asked(sandbox) == [("1", None), ("2", None), ("1", None)]


@pytest.mark.asyncio
async def test_the_last_page(client: AsyncTechLadder) -> None:
    """The last page has no next one, and says so; one beyond it is empty."""
    last = await client.call_batches.list(page=10)
    assert not last.has_next_page()
    with pytest.raises(RuntimeError, match="page 10 is the last one"):
        await last.get_next_page()
    beyond = await client.call_batches.list(page=11)
    assert (beyond.items, beyond.has_next_page(), beyond.total) == ((), False, 500)


@pytest.mark.asyncio
async def test_pages_by_hand(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """`get_next_page` keeps the filter and the size until the end."""
    current = await client.call_batches.list(status="pending", limit=30)
    seen = names(current)
    while current.has_next_page():
        current = await current.get_next_page()
        seen += names(current)
    assert seen == names(b for b in sandbox.batches if b["status"] == "pending")
    assert {(r.query["limit"], r.query["status"]) for r in sandbox.requests} == {("30", "pending")}


@pytest.mark.asyncio
async def test_a_copied_page(client: AsyncTechLadder) -> None:
    """A page pickles and copies; the copy equals it and is not tied to the client."""
    original = await client.call_batches.list(limit=3)
    for twin in (pickle.loads(pickle.dumps(original)), copy.copy(original), copy.deepcopy(original)):
        assert twin == original
        with pytest.raises(RuntimeError, match="not tied to a client"):
            await twin.get_next_page()


@pytest.mark.asyncio
async def test_iterating(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """Iterating gives all items in the server's order with the largest pages, in a new walk each time."""
    paginator = client.call_batches.list()
    for _ in range(2):
        sandbox.clear_requests()
        assert [batch.schedule_id async for batch in paginator] == names(sandbox.batches)
        assert pages_asked(sandbox) == [(str(number), "100") for number in range(1, 6)]
        assert paginator.report == WalkReport(5, 5, 500, 0, 500, None)


@pytest.mark.asyncio
async def test_two_walks_at_once(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """Two walks of one paginator do not touch each other."""
    paginator = client.call_batches.list(limit=50, prefetch=2)
    walks = [aiter(paginator), aiter(paginator)]
    pairs = [(await anext(walks[0]), await anext(walks[1])) for _ in range(500)]
    assert [names(pair) for pair in pairs] == [[name, name] for name in names(sandbox.batches)]
    assert [item for walk in walks async for item in walk] == []
    assert len(sandbox.requests) == 20


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 1, 9])
@pytest.mark.parametrize(
    ("max_items", "limit", "asked"),
    [
        (120, 50, [("1", "50"), ("2", "50"), ("3", "50")]),
        (100, 50, [("1", "50"), ("2", "50")]),
        (101, 50, [("1", "50"), ("2", "50"), ("3", "50")]),
        (7, None, [("1", "7")]),
        (1, 100, [("1", "100")]),
        (150, None, [("1", "100"), ("2", "100")]),
    ],
)
async def test_max_items(
    client: AsyncTechLadder,
    sandbox: Sandbox,
    *,
    max_items: int,
    limit: int | None,
    asked: list[tuple[str, str]],
    prefetch: int,
) -> None:
    """`max_items` ends each kind of walk, and nothing beyond it is asked for, however far it looks ahead."""
    paginator = client.call_batches.list(max_items=max_items, limit=limit, prefetch=prefetch)
    expected = names(sandbox.batches[:max_items])
    assert names([item async for item in paginator]) == expected
    assert paginator.report.items == max_items
    assert names(await paginator.collect()) == expected
    assert paginator.report.items == max_items
    whole = [part async for part in paginator.pages()]
    assert names(item for part in whole for item in part) == names(sandbox.batches[: len(asked) * int(asked[0][1])])
    assert pages_asked(sandbox) == asked * 3


@pytest.mark.asyncio
async def test_pages(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """`pages()` gives the server's pages, each of which can be followed by hand."""
    whole = [part async for part in client.call_batches.list(limit=100, page=2).pages()]
    assert [(part.page, part.limit, part.total, len(part), part.has_more) for part in whole] == [
        (number, 100, 500, 100, number < 5) for number in range(2, 6)
    ]
    sandbox.clear_requests()
    assert await whole[0].get_next_page() == whole[1]
    assert pages_asked(sandbox) == [("3", "100")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "asked", "index"),
    [
        ({}, "1", 0),
        ({"page": 3, "limit": 5}, "11", 10),
        ({"page": 2}, "101", 100),
        ({"page": 2, "max_items": 7}, "8", 7),
        ({"page": 6}, "501", None),
    ],
)
async def test_first(
    client: AsyncTechLadder, sandbox: Sandbox, arguments: dict[str, int], asked: str, index: int | None
) -> None:
    """`first()` gives what a walk would begin with, or `None`, with one request for one item."""
    item = await client.call_batches.list(**arguments).first()  # type: ignore[arg-type]  # all are integers
    assert pages_asked(sandbox) == [(asked, "1")]
    assert (item and item.schedule_id) == (None if index is None else sandbox.batches[index]["schedule_id"])
    walk = [batch async for batch in client.call_batches.list(**arguments)]  # type: ignore[arg-type]  # likewise
    assert item == (walk[0] if walk else None)


@pytest.mark.asyncio
async def test_report(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """The report is frozen, counts while a walk runs, is of the latest walk, and stays when it was left."""
    paginator = client.call_batches.list(limit=100, prefetch=0)
    assert paginator.report == WalkReport()
    async for _batch in paginator:
        seen = paginator.report
        if seen.items == 150:
            break
    assert seen == paginator.report == WalkReport(requests=2, pages=2, items=150, duplicates=0, total=500, settled=None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        seen.items = 0  # type: ignore[misc]  # the point
    aiter(paginator)
    assert paginator.report == WalkReport()
    await paginator
    await paginator.first()
    assert paginator.report == WalkReport()
    assert len(sandbox.requests) == 4


@pytest.mark.asyncio
async def test_a_lowered_limit() -> None:
    """A limit that the server lowers is taken over in a walk and by hand."""
    async with Sandbox(500, max_limit=40) as sandbox, AsyncTechLadder(sandbox.api_key, base_url=sandbox.url) as client:
        assert names(await client.call_batches.list(prefetch=3).collect()) == names(sandbox.batches)
        assert pages_asked(sandbox) == [("1", "100"), *[(str(number), "40") for number in range(2, 14)]]
        sandbox.clear_requests()
        await (await client.call_batches.list(limit=90)).get_next_page()
        assert pages_asked(sandbox) == [("1", "90"), ("2", "40")]
        whole = [part async for part in client.call_batches.list().pages()]
        sandbox.clear_requests()
        assert await whole[0].get_next_page() == whole[1]
        assert pages_asked(sandbox) == [("2", "40")]


class Mocked(aiohttp.ClientResponse):
    """A response that takes what aioresponses 0.7 gives it: aiohttp 3.14 wants one argument more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=AbstractStreamWriter, **kwargs)  # type: ignore[arg-type]  # never used


@pytest.mark.asyncio
async def test_above_the_transport() -> None:
    """What aioresponses answers in aiohttp's place reaches the caller, errors and failures included."""
    url = re.compile(r"http://127\.0\.0\.1:9/api/v1/public/call-batches\?.*")
    bodies = [page([batch(1), batch(2)], has_more=True, limit=2).body, page([batch(3)], 2, limit=2).body]
    with aioresponses() as mocked:
        for body in bodies:
            mocked.get(url, body=body, response_class=Mocked)
        mocked.get(url, status=401, body=error(401).body, response_class=Mocked)
        mocked.get(url, exception=aiohttp.ServerDisconnectedError())
        async with AsyncTechLadder("sk_test", base_url="http://127.0.0.1:9", retry=RetryPolicy.none()) as client:
            assert ids(await client.call_batches.list(limit=2).collect()) == [1, 2, 3]
            with pytest.raises(AuthenticationError):
                await client.call_batches.list()
            with pytest.raises(APIConnectionError):
                await client.call_batches.list()
        sent = [dict(call.kwargs["headers"])["Authorization"] for calls in mocked.requests.values() for call in calls]
    assert sent == ["Bearer sk_test"] * 4


def test_pages_are_containers() -> None:
    """A page iterates over its items, counts them, and shows no machinery."""
    made = Page((1, 2), 2, 1, 50, has_more=False)
    assert (list(made), len(made)) == ([1, 2], 2)
    assert repr(made) == "Page(items=(1, 2), total=2, page=1, limit=50, has_more=False)"
