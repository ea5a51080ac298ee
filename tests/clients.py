"""A client for tests, with a key that can be told from everything else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from techladder_async import AsyncTechLadder, RetryPolicy

KEY = "sk_" + "Zq7-Secret_" * 5 + "0123456789"

AT_ONCE = RetryPolicy(initial=0)
"""The usual policy, whose own backoff does not wait."""


def client_for(url: str, **options: Any) -> AsyncTechLadder:
    """Make a client of the server at `url` that does not wait between attempts and gives up soon."""
    return AsyncTechLadder(KEY, **{"base_url": url, "retry": AT_ONCE, "timeout": 1.0, **options})


Use = Callable[[AsyncTechLadder], Awaitable[Any]]


async def one_page(client: AsyncTechLadder) -> object:
    """Ask for one page."""
    return await client.call_batches.list()


async def two_pages(client: AsyncTechLadder) -> object:
    """Ask for a page, and then for the next thing on what should be the same connection."""
    await client.call_batches.list()
    return await client.call_batches.list()


async def a_moment_later(client: AsyncTechLadder) -> object:
    """Ask for a page, let arrive what else may come, and ask for another."""
    await client.call_batches.list()
    await asyncio.sleep(0.05)
    return await client.call_batches.list()


async def walk(client: AsyncTechLadder) -> object:
    """Walk to the end."""
    return await client.call_batches.list(prefetch=0).collect()


async def closed(client: AsyncTechLadder) -> object:
    """Use the client after its end."""
    await client.close()
    return await client.call_batches.list()


def listing(**arguments: Any) -> Use:
    """Ask for one page with these arguments."""

    async def use(client: AsyncTechLadder) -> object:
        return await client.call_batches.list(**arguments)

    return use
