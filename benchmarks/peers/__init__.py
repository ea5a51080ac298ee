"""The clients that are compared, one file each.

A peer is a module with `connect(url)`, a context manager of its client, and `walk(client)`, an iterator (async or not)
over all items. `fetch_page(client)`, one awaited page of 100, is there where single pages are compared.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field

REFERENCE = "loop"
API_KEY = "sk_" + "benchmark" * 7


@dataclass(frozen=True)
class Peer:
    """One line of a table: a module of this package and how it is run."""

    name: str
    label: str
    module: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, int] = field(default_factory=dict)
    uvloop: bool = False

    @property
    def missing(self) -> list[str]:
        """Packages without which this peer cannot run."""
        needed = (*self.needs, "uvloop") if self.uvloop else self.needs
        return [name for name in needed if importlib.util.find_spec(name) is None]


def _ours(prefetch: int, *, uvloop: bool = False) -> Peer:
    name = f"ours-{prefetch}" + ("-uvloop" if uvloop else "")
    label = f"techladder_async, prefetch={prefetch}" + (", uvloop" if uvloop else "")
    return Peer(name, label, "ours", ("techladder_async",), {"prefetch": prefetch}, uvloop)


PEERS = {
    peer.name: peer
    for peer in (
        Peer(REFERENCE, "aiohttp loop, dicts (reference)", "aiohttp_loop", ("aiohttp",)),
        _ours(0),
        _ours(1),
        _ours(7),
        Peer("orjson", "aiohttp loop, orjson dicts", "aiohttp_orjson", ("aiohttp", "orjson")),
        Peer("msgspec", "aiohttp loop, msgspec structs", "aiohttp_msgspec", ("aiohttp", "msgspec")),
        Peer("attrs", "aiohttp loop, the SDK's items", "aiohttp_attrs", ("techladder_async",)),
        Peer("httpx", "httpx, pydantic models", "httpx_pydantic", ("httpx", "pydantic")),
        Peer("requests", "requests, dicts (sync)", "requests_vendor", ("requests",)),
        Peer("openapi", "openapi-python-client, attrs models", "openapi_client", ("openapi_python_client",)),
        Peer("loop-uvloop", "aiohttp loop, dicts, uvloop", "aiohttp_loop", ("aiohttp",), uvloop=True),
        _ours(0, uvloop=True),
        _ours(1, uvloop=True),
    )
}
