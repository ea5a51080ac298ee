"""The limit of what types can cost: msgspec structs by hand, with nothing around them."""

from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp
import msgspec

from benchmarks.peers.aiohttp_loop import PATH, connect

__all__ = ["connect", "fetch_page", "walk"]


class CallBatch(msgspec.Struct, frozen=True):
    """The documented fields."""

    schedule_id: str
    agent_id: str
    agent_name: str
    version_id: str
    status: str
    start_mode: str
    total_contacts: int
    completed_contacts: int
    failed_contacts: int
    scheduled_at: datetime | None
    created_at: datetime


class Data(msgspec.Struct):
    """A list's `data`, as far as the walk needs it."""

    items: list[CallBatch]
    has_more: bool


class Envelope(msgspec.Struct):
    """What stands around it."""

    data: Data


decode = msgspec.json.Decoder(Envelope).decode


async def fetch_page(session: aiohttp.ClientSession, page: int = 1) -> Data:
    """Fetch the `data` of one page."""
    async with session.get(PATH, params={"page": page, "limit": 100}) as response:
        response.raise_for_status()
        return decode(await response.read()).data


async def walk(session: aiohttp.ClientSession) -> AsyncIterator[CallBatch]:
    """Yield every item of every page."""
    page, has_more = 1, True
    while has_more:
        data = await fetch_page(session, page)
        for item in data.items:
            yield item
        has_more = data.has_more
        page += 1
