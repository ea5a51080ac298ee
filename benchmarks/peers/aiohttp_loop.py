"""The reference: the loop by hand that a good engineer writes in ten lines. Plain dicts, no checks, no retries."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from benchmarks.peers import API_KEY

PATH = "/api/v1/public/call-batches"


def connect(url: str) -> aiohttp.ClientSession:
    """Open one session for the whole walk."""
    return aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {API_KEY}"})


async def fetch_page(session: aiohttp.ClientSession, page: int = 1) -> Any:
    """Fetch the `data` of one page."""
    async with session.get(PATH, params={"page": page, "limit": 100}) as response:
        response.raise_for_status()
        return (await response.json())["data"]


async def walk(session: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
    """Yield every item of every page."""
    page, has_more = 1, True
    while has_more:
        data = await fetch_page(session, page)
        for item in data["items"]:
            yield item
        has_more = data["has_more"]
        page += 1
