"""Fixtures that several test files share, and what holds for each test: it leaves no task."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import settings

from techladder_async import AsyncTechLadder, RetryPolicy
from techladder_async.sandbox import Sandbox
from tests.loops import PLAIN, Loops

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

_TURNS = 5  # of the event loop, that a cancelled task gets to leave


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Serve 500 batches."""
    async with Sandbox(500) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[AsyncTechLadder]:
    """Give a client of the sandbox that tries again without waiting."""
    async with AsyncTechLadder(sandbox.api_key, base_url=sandbox.url, retry=RetryPolicy(initial=0)) as client:
        yield client


@pytest_asyncio.fixture
async def _tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


@pytest.fixture(autouse=True)
def _leaves_no_task(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("_tasks")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops:
    """Run the tests of a module on the loops that it names in `LOOPS`."""
    return getattr(getattr(item, "module", None), "LOOPS", PLAIN)
