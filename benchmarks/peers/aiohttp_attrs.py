"""The limit of what the SDK's own items can cost: msgspec into `CallBatch` by hand, and nothing around it."""

from collections.abc import AsyncIterator

import aiohttp
import msgspec

from benchmarks.peers import aiohttp_msgspec
from benchmarks.peers.aiohttp_loop import connect
from techladder_async import CallBatch

__all__ = ["connect", "walk"]

decode = msgspec.json.Decoder(aiohttp_msgspec.Envelope[CallBatch]).decode


def walk(session: aiohttp.ClientSession) -> AsyncIterator[CallBatch]:
    """Yield every item of every page."""
    return aiohttp_msgspec.walk(session, decode)
