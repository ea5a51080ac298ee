"""Listings that break their contract, over real sockets: each walk ends, says why, and can be gone on from."""

import asyncio
import pickle
import re

import pytest

from techladder_async import (
    APIConnectionError,
    AsyncTechLadder,
    CallBatch,
    NotFoundError,
    PaginationError,
    ResponseDecodeError,
    RetryPolicy,
    ServerError,
    TechLadderError,
    ValidationError,
)
from tests.fault_server import FaultServer
from tests.faults import Answer, Received, Step, batch, error, page, reset
from tests.memory_api import drain, ids


def client_of(server: FaultServer) -> AsyncTechLadder:
    """Make a client that tries nothing again."""
    return AsyncTechLadder("sk_test", base_url=server.url, retry=RetryPolicy.none())


def pairs(*numbers: int, more: bool = True) -> list[Answer]:
    """Give pages of two batches each."""
    return [page([batch(2 * n), batch(2 * n + 1)], n, limit=2, has_more=more, total=99) for n in numbers]


EMPTY = page(page=3, limit=2, has_more=True)
WRONG = page([batch(8)], 4, limit=2, has_more=True)
STALE = [page([batch(2), batch(3)], n, limit=2, has_more=True, total=99) for n in (3, 4, 5)]


@pytest.mark.asyncio
@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize(
    ("broken", "kind", "at", "match"),
    [
        ([EMPTY], PaginationError, 3, "page 3 is empty"),
        ([WRONG], PaginationError, 3, "page 3 was asked for, and page 4"),
        (STALE, PaginationError, 5, "pages 3 to 5"),
        ([error(500)], ServerError, 3, "500"),
        ([reset()], APIConnectionError, 3, "no usable answer"),
        ([error(404)], NotFoundError, 3, "404"),
        ([error(422)], ValidationError, 3, "422"),
        ([page([batch(6, total_contacts="5")], 3)], ResponseDecodeError, 3, re.escape("data.items[0].total_contacts")),
    ],
)
async def test_going_on_after_an_error(
    broken: list[Step], kind: type[TechLadderError], at: int, match: str, prefetch: int
) -> None:
    """An error in the middle comes after all earlier items, names page and request, and `exc.page` gives the rest."""
    seen: list[CallBatch] = []
    answers: dict[str, Step] = {str(n): answer for n, answer in enumerate([*pairs(1, 2), *broken], 1)}

    def choose(request: Received) -> Step:
        # By page: what is looked ahead for may arrive in any order, and is given up with the error.
        return answers.get(request.query["page"], error(500))

    async with FaultServer((choose,), repeat_last=True) as server, client_of(server) as client:
        with pytest.raises(kind, match=match) as caught:
            await drain(client.call_batches.list(limit=2, prefetch=prefetch), seen)
        answers |= {str(at): pairs(at)[0], str(at + 1): pairs(at + 1, more=False)[0]}
        rest = await client.call_batches.list(limit=2, prefetch=prefetch, page=caught.value.page or 0).collect()
    failure = caught.value
    assert ids(seen) == [2, 3, 4, 5]
    assert ids(rest) == [2 * at, 2 * at + 1, 2 * at + 2, 2 * at + 3]
    assert failure.page == at
    assert failure.__notes__ == [f"the walk stopped at page {at}: list(..., limit=2, page={at}) goes on from there"]
    assert failure.method == "GET"
    assert failure.url == f"{server.url}/api/v1/public/call-batches?limit=2&page={at}"
    assert type(pickle.loads(pickle.dumps(failure))) is type(failure)


@pytest.mark.asyncio
async def test_a_wrong_page_number() -> None:
    """A single page, too, is refused when it is not the one that was asked for."""
    async with FaultServer(page([batch(1)], 2)) as server, client_of(server) as client:
        with pytest.raises(PaginationError, match="page 1 was asked for, and page 2 answered") as caught:
            await client.call_batches.list()
        assert caught.value.page == 1
        assert caught.value.attempts == 1


@pytest.mark.asyncio
async def test_an_empty_page_that_has_more() -> None:
    """A single one is given as it came; `first()` cannot tell the first item, and says so."""
    empty = page(limit=1, has_more=True)
    async with FaultServer(empty, empty) as server, client_of(server) as client:
        single = await client.call_batches.list(limit=1)
        assert (single.items, single.has_more) == ((), True)
        with pytest.raises(PaginationError, match="empty") as caught:
            await client.call_batches.list(limit=1).first()
        assert caught.value.url == f"{server.url}/api/v1/public/call-batches?limit=1&page=1"


@pytest.mark.asyncio
async def test_a_listing_without_an_end() -> None:
    """A listing that goes on for ever with new items is walked until the caller has enough."""

    def endless(request: Received) -> Step:
        return pairs(int(request.query["page"]))[0]

    async with FaultServer((endless,), repeat_last=True) as server, client_of(server) as client:
        assert len(await client.call_batches.list(limit=2, max_items=301).collect()) == 301
        assert len(server.requests) == 151


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [404, 422])
async def test_the_first_page_is_refused(status: int) -> None:
    """A 404 or 422 for the page that a walk begins with is an error, whichever page that is."""
    async with FaultServer(error(status), error(status)) as server, client_of(server) as client:
        for number in (1, 7):
            with pytest.raises(NotFoundError if status == 404 else ValidationError) as caught:
                await client.call_batches.list(page=number).collect()
            assert caught.value.page == number


@pytest.mark.asyncio
async def test_a_slow_page_keeps_its_place() -> None:
    """Pages 4 and 5 arrive before page 3, and come after it."""
    late = asyncio.Event()

    def choose(request: Received) -> Step:
        number = int(request.query["page"])
        if number == 5:
            late.set()
        return (late, *pairs(3)[0]) if number == 3 else pairs(number, more=number < 6)[0]

    async with FaultServer((choose,), repeat_last=True) as server, client_of(server) as client:
        assert ids(await client.call_batches.list(limit=2, prefetch=3).collect()) == list(range(2, 14))
