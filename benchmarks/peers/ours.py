"""The SDK as its users have it: retry chain, rate-limit gate, checks and typed items all on."""

from benchmarks.peers import API_KEY
from techladder_async import AsyncTechLadder, CallBatch, Page, Paginator


def connect(url: str) -> AsyncTechLadder:
    """Make a client with every default."""
    return AsyncTechLadder(API_KEY, base_url=url)


async def fetch_page(client: AsyncTechLadder) -> Page[CallBatch]:
    """Await one page."""
    return await client.call_batches.list(limit=100)


def walk(client: AsyncTechLadder, prefetch: int = 0) -> Paginator[CallBatch]:
    """Iterate every item of every page."""
    return client.call_batches.list(prefetch=prefetch)
