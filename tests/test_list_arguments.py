"""What `call_batches.list` takes and refuses, and what it makes of it on the wire."""

import asyncio
import enum
from typing import Any

import pytest

from techladder_async import AsyncTechLadder, BatchStatus, ValidationError
from techladder_async.sandbox import Sandbox

NOWHERE = "http://127.0.0.1:9"  # nothing is ever sent there


class OwnStatus(str, enum.Enum):  # noqa: UP042  a StrEnum prints as its value, which is what this one must not do
    """An enum of the caller's own, which prints as `OwnStatus.PENDING`."""

    PENDING = "pending"


class Big(enum.IntEnum):
    PAGE = 2


class Loud(int):
    """An integer that prints as something else."""

    def __str__(self) -> str:
        return "LOUD"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", 0),
        ("limit", -1),
        ("limit", 101),
        ("page", 0),
        ("page", -3),
        ("max_items", 0),
        ("max_items", -1),
        ("prefetch", -1),
        ("agent_id", ""),
        ("status", ""),
        ("agent_id", "agt-\ud800"),
        ("status", "\udcff"),
    ],
)
def test_values_that_make_no_sense(name: str, value: Any) -> None:
    """A value outside of what is allowed is a `ValueError` that names the argument, at the call."""
    client = AsyncTechLadder("sk_test", base_url=NOWHERE)
    with pytest.raises(ValueError, match=name):
        client.call_batches.list(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, value)
            for name in ("limit", "page", "max_items", "prefetch")
            for value in (True, "5", 5.0, b"5", [5])
        ],
        *[(name, value) for name in ("agent_id", "status") for value in (True, 5, b"active", ["active"])],
        ("page", None),
        ("prefetch", None),
        ("exact", None),
        ("exact", 1),
        ("exact", "yes"),
    ],
)
def test_values_of_the_wrong_type(name: str, value: Any) -> None:
    """A value of the wrong type, as a bool for an integer, is a `TypeError` that names the argument, at the call."""
    client = AsyncTechLadder("sk_test", base_url=NOWHERE)
    with pytest.raises(TypeError, match=name):
        client.call_batches.list(**{name: value})


def test_arguments_are_named() -> None:
    """No argument is positional."""
    client = AsyncTechLadder("sk_test", base_url=NOWHERE)
    with pytest.raises(TypeError, match="positional"):
        client.call_batches.list("agt-57949b14")  # type: ignore[call-arg]  # the mistake in question


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, {"page": "1"}),
        ({"limit": None, "max_items": None, "status": None, "agent_id": None}, {"page": "1"}),
        ({"limit": 1, "page": 10**12}, {"limit": "1", "page": "1000000000000"}),
        ({"limit": 100, "max_items": 7}, {"limit": "100", "page": "1"}),
        ({"max_items": 7, "prefetch": 10**6, "exact": True}, {"page": "1"}),
        ({"status": BatchStatus.ACTIVE}, {"status": "active", "page": "1"}),
        ({"status": "failed"}, {"status": "failed", "page": "1"}),
        ({"status": OwnStatus.PENDING}, {"status": "pending", "page": "1"}),
        ({"page": Big.PAGE, "limit": Loud(3)}, {"limit": "3", "page": "2"}),
        ({"agent_id": "a&b=c d/é+%41#?"}, {"agent_id": "a&b=c d/é+%41#?", "page": "1"}),
        ({"agent_id": " "}, {"agent_id": " ", "page": "1"}),
    ],
)
async def test_what_is_sent(
    client: AsyncTechLadder, sandbox: Sandbox, arguments: dict[str, Any], query: dict[str, str]
) -> None:
    """An awaited list sends just what it was given, character for character, and always a page."""
    await client.call_batches.list(**arguments)
    assert [(request.path, request.query) for request in sandbox.requests] == [("/api/v1/public/call-batches", query)]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", ["archived", BatchStatus("archived"), "Active", "\x00"])
async def test_an_unknown_status_is_the_servers_business(
    client: AsyncTechLadder, sandbox: Sandbox, status: str
) -> None:
    """A status that the SDK does not know is sent, and the server's 422 comes back."""
    with pytest.raises(ValidationError, match="status: Must be one of") as caught:
        await client.call_batches.list(status=status)
    assert [request.query["status"] for request in sandbox.requests] == [status]
    assert caught.value.page == 1


@pytest.mark.asyncio
async def test_nothing_is_sent_before_it_is_used(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """Making a list, an iterator or a page iterator sends nothing."""
    paginator = client.call_batches.list(prefetch=5)
    aiter(paginator)
    paginator.pages()
    await asyncio.sleep(0.01)
    assert sandbox.requests == []


@pytest.mark.asyncio
async def test_filters_reach_every_page(client: AsyncTechLadder, sandbox: Sandbox) -> None:
    """Every request of a walk has the filters, and what comes fits them."""
    agent = sandbox.batches[0]["agent_id"]
    batches = await client.call_batches.list(agent_id=agent, status="pending", limit=2).collect()
    fitting = [b["schedule_id"] for b in sandbox.batches if b["agent_id"] == agent and b["status"] == "pending"]
    assert [batch.schedule_id for batch in batches] == fitting
    assert len(fitting) > 2
    assert {(request.query["agent_id"], request.query["status"]) for request in sandbox.requests} == {
        (agent, "pending")
    }
