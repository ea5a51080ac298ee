"""A program that uses every public name of the optional modules. It is checked, and never run."""

import functools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import assert_type

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import StreamingResponse

from techladder_async import AsyncTechLadder, CallBatch, Page
from techladder_async.cli import main
from techladder_async.fastapi import (
    LifespanState,
    TechLadderClient,
    add_exception_handlers,
    batches_dashboard,
    get_client,
    lifespan,
    stream_ndjson,
    stream_sse,
)
from techladder_async.hooks import Hook
from techladder_async.otel import OpenTelemetryHook


@asynccontextmanager
async def my_lifespan(app: FastAPI) -> AsyncGenerator[LifespanState]:
    """Do more than open a client."""
    async with lifespan(app, timeout=5) as state:
        assert_type(state["techladder_client"], AsyncTechLadder)
        yield state


async def forbid() -> None:
    """Guard the dashboard."""


app = FastAPI(lifespan=lifespan)
FastAPI(lifespan=my_lifespan)
FastAPI(lifespan=functools.partial(lifespan, timeout=5))
add_exception_handlers(app)
assert_type(batches_dashboard(), APIRouter)
app.include_router(batches_dashboard("/board", interval=2, title="Calls", dependencies=[Depends(forbid)]))
app.dependency_overrides[get_client] = AsyncTechLadder


@app.get("/batches")
async def batches(client: TechLadderClient) -> Page[CallBatch]:
    """Answer with one page."""
    assert_type(client, AsyncTechLadder)
    return await client.call_batches.list()


@app.get("/stream")
async def stream(client: TechLadderClient, *, events: bool = False) -> StreamingResponse:
    """Answer with a walk."""
    walk = client.call_batches.list()
    return stream_sse(walk) if events else stream_ndjson(walk)


hook: Hook = OpenTelemetryHook()
AsyncTechLadder(hooks=[hook, OpenTelemetryHook(tracer_provider=None, meter_provider=None)])
assert_type(main(), int)
