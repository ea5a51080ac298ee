"""The way of a vendor's example: `requests.get` for each page, so a new connection each time, and plain dicts."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import requests

from benchmarks.peers import API_KEY


def connect(url: str) -> AbstractContextManager[str]:
    """Keep nothing between the requests."""
    return nullcontext(url)


def walk(url: str) -> Iterator[dict[str, Any]]:
    """Yield every item of every page."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Accept": "application/json"}
    page, has_more = 1, True
    while has_more:
        params = {"page": page, "limit": 100}
        response = requests.get(f"{url}/api/v1/public/call-batches", headers=headers, params=params, timeout=30)
        response.raise_for_status()
        data = response.json()["data"]
        yield from data["items"]
        has_more = data["has_more"]
        page += 1
