"""The limit of what types can cost: msgspec structs by hand, with nothing around them."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import aiohttp
import msgspec

from benchmarks.peers.aiohttp_loop import PATH, connect

__all__ = ["connect", "fetch_page", "walk"]

T = TypeVar("T")


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


class Data(msgspec.Struct, Generic[T]):
    """A list's `data`, as far as the walk needs it."""

    items: list[T]
    has_more: bool


class Envelope(msgspec.Struct, Generic[T]):
    """What stands around it."""

    data: Data[T]


Decode = Callable[[bytes], Envelope[Any]]
decode: Decode = msgspec.json.Decoder(Envelope[CallBatch]).decode


async def fetch_page(session: aiohttp.ClientSession, page: int = 1, decode: Decode = decode) -> Data[Any]:
    """Fetch the `data` of one page."""
    async with session.get(PATH, params={"page": page, "limit": 100}) as response:
        response.raise_for_status()
        return decode(await response.read()).data


async def walk(session: aiohttp.ClientSession, decode: Decode = decode) -> AsyncIterator[Any]:
    """Yield every item of every page."""
    page, has_more = 1, True
    while has_more:
        data = await fetch_page(session, page, decode)
        for item in data.items:
            yield item
        has_more = data.has_more
        page += 1
