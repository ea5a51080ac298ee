"""The reference with the fastest JSON parser: orjson on the bytes of the body."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from benchmarks.peers.aiohttp_loop import PATH, connect

__all__ = ["connect", "fetch_page", "walk"]


async def fetch_page(session: aiohttp.ClientSession, page: int = 1) -> Any:
    """Fetch the `data` of one page."""
    async with session.get(PATH, params={"page": page, "limit": 100}) as response:
        response.raise_for_status()
        return orjson.loads(await response.read())["data"]


async def walk(session: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
    """Yield every item of every page."""
    page, has_more = 1, True
    while has_more:
        data = await fetch_page(session, page)
        for item in data["items"]:
            yield item
        has_more = data["has_more"]
        page += 1
