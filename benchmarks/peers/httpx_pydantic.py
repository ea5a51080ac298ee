"""The usual pair of today: httpx for the requests, pydantic for the models, JSON straight from the bytes."""

from collections.abc import AsyncIterator
from datetime import datetime

import httpx
from pydantic import BaseModel

from benchmarks.peers import API_KEY


class CallBatch(BaseModel):
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


class Data(BaseModel):
    """A list's `data`, as far as the walk needs it."""

    items: list[CallBatch]
    has_more: bool


class Envelope(BaseModel):
    """What stands around it."""

    data: Data


def connect(url: str) -> httpx.AsyncClient:
    """Open one client for the whole walk."""
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {API_KEY}"})


async def walk(client: httpx.AsyncClient) -> AsyncIterator[CallBatch]:
    """Yield every item of every page."""
    page, has_more = 1, True
    while has_more:
        response = await client.get("/api/v1/public/call-batches", params={"page": page, "limit": 100})
        data = Envelope.model_validate_json(response.raise_for_status().content).data
        for item in data.items:
            yield item
        has_more = data.has_more
        page += 1
