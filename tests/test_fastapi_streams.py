"""Walks as streamed responses, over real HTTP: NDJSON and server-sent events."""

import asyncio
import contextlib
import json
import logging
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from techladder_async import AsyncTechLadder, RetryPolicy
from techladder_async.fastapi import (
    TechLadderClient,
    _streams,
    add_exception_handlers,
    lifespan,
    stream_ndjson,
    stream_sse,
)
from techladder_async.sandbox import Fault, Sandbox
from tests.serving import serving

KINDS = {"ndjson": stream_ndjson, "sse": stream_sse}


@contextlib.asynccontextmanager
async def _streaming(sandbox):
    options = {"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": RetryPolicy.none()}
    app = FastAPI(lifespan=partial(lifespan, **options))
    add_exception_handlers(app)

    @app.get("/{kind}")
    async def walk(client: TechLadderClient, kind: str, limit: int = 10, prefetch: int = 1) -> StreamingResponse:
        return KINDS[kind](client.call_batches.list(limit=limit, prefetch=prefetch))

    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as http:
        yield http


def _events(text):
    """Return the events of a stream as (name, data)."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.strip().split("\n\n")]
    return [(block.get("event", "message"), json.loads(block["data"])) for block in blocks]


async def _ten_lines(answer):
    async with contextlib.aclosing(answer.aiter_lines()) as lines:
        return [await anext(lines) for _ in range(10)]


@pytest.mark.asyncio
async def test_ndjson(sandbox):
    """Every batch of every page is a line of JSON, in order, with headers that let it through unbuffered."""
    async with _streaming(sandbox) as http:
        answer = await http.get("/ndjson", params={"limit": 90})
    assert [json.loads(line) for line in answer.text.splitlines()] == list(sandbox.batches)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-cache", "no")


@pytest.mark.asyncio
async def test_sse(sandbox):
    """Every batch is a message event, and the last event is the walk's report."""
    async with _streaming(sandbox) as http:
        answer = await http.get("/sse", params={"limit": 90})
    *items, end = _events(answer.text)
    assert items == [("message", batch) for batch in sandbox.batches]
    assert end[0] == "end"
    assert (end[1]["items"], end[1]["pages"], end[1]["total"]) == (500, 6, 500)
    assert answer.headers["Content-Type"].startswith("text/event-stream")


@pytest.mark.asyncio
async def test_an_empty_listing():
    """Nothing to list is an empty body, and for events just the end."""
    async with Sandbox(0) as sandbox, _streaming(sandbox) as http:
        assert (await http.get("/ndjson")).text == ""
        assert [name for name, _ in _events((await http.get("/sse")).text)] == ["end"]


@pytest.mark.asyncio
async def test_sends_before_the_walk_ends(sandbox):
    """The first lines are there while the next page is still on its way."""
    async with _streaming(sandbox) as http, http.stream("GET", "/ndjson", params={"prefetch": 0}) as answer:
        sandbox.fail_share(Fault.delay(30), 1.0)
        async with asyncio.timeout(5):
            assert [json.loads(line) for line in await _ten_lines(answer)] == list(sandbox.batches[:10])


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_a_reader_that_leaves_stops_the_walk(kind, caplog):
    """After a reader leaves with ten lines, the API is not asked any more, though 300 pages are left."""
    with caplog.at_level(logging.WARNING):
        async with Sandbox(3000, rate_limit=1000, latency=0.01) as sandbox, _streaming(sandbox) as http:
            async with http.stream("GET", f"/{kind}") as answer:
                await _ten_lines(answer)
            await asyncio.sleep(0.05)
            asked = len(sandbox.requests)
            await asyncio.sleep(0.15)
            assert len(sandbox.requests) == asked < 20
    assert caplog.records == []


@pytest.mark.asyncio
async def test_an_error_in_mid_stream(sandbox):
    """An error past the first page ends the stream well-formed, and says where to go on from."""
    async with _streaming(sandbox) as http:
        for kind in KINDS:
            sandbox.fail_next(Fault.delay(0), 2)
            sandbox.fail_next(Fault.status(500))
            answer = await http.get(f"/{kind}", params={"limit": 100, "prefetch": 0})
            assert answer.status_code == 200
            error = {"status": 502, "detail": "The TechLadder API failed", "page": 3}
            if kind == "ndjson":
                *lines, last = map(json.loads, answer.text.splitlines())
                assert (len(lines), last) == (200, {"error": error})
            else:
                *events, last = _events(answer.text)
                assert (len(events), last) == (200, ("error", error))


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_before_the_first_page_is_a_status(sandbox, kind):
    """What fails before anything was sent is answered with its status."""
    async with _streaming(sandbox) as http:
        sandbox.fail_next(Fault.status(401))
        answer = await http.get(f"/{kind}")
    assert answer.status_code == 502
    assert answer.json() == {"detail": "The TechLadder API does not accept this app's API key"}


@pytest.mark.asyncio
async def test_heartbeats(sandbox, monkeypatch):
    """While a page is waited for, comments keep a stream of events alive, and no event is lost."""
    monkeypatch.setattr(_streams, "_HEARTBEAT_EVERY", 0.02)
    async with _streaming(sandbox) as http:
        sandbox.fail_next(Fault.delay(0))
        sandbox.fail_next(Fault.delay(0.2))
        text = (await http.get("/sse", params={"limit": 100, "prefetch": 0})).text
    assert text.count("\n:\n") >= 3
    assert len(_events(text.replace(":\n\n", ""))) == 501


def _tasks():
    """Return the tasks that are under way, but for the sandbox's connections."""
    return {task for task in asyncio.all_tasks() if "RequestHandler" not in repr(task.get_coro())}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_a_reader_that_leaves_while_a_page_is_on_its_way(sandbox, kind):
    """A reader who leaves while the API is slow takes the request with them, long before its time-out."""
    async with _streaming(sandbox) as http:
        before = _tasks()
        async with http.stream("GET", f"/{kind}", params={"prefetch": 0}) as answer:
            sandbox.fail_share(Fault.delay(30), 1.0)
            await _ten_lines(answer)
            assert _tasks() != before
        async with asyncio.timeout(2):
            while _tasks() != before:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.01)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_lets_go_before_it_returns(sandbox, spec_version, kind):
    """When the response returns, its walk has let go of all, whether the server says so in `receive` or in `send`."""
    sent, gone = [], asyncio.Event()

    async def send(message):
        sent.append(message)
        sandbox.fail_share(Fault.delay(30), 1.0)  # the pages looked ahead for are on their way to the end
        if len(sent) > 1 and spec_version == "2.4":
            raise OSError
        if len(sent) > 1:
            await asyncio.sleep(0.02)
            gone.set()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def slow_to_leave(request, handler):
        try:
            return await handler(request)
        finally:
            await asyncio.sleep(0.05)

    options = {"api_key": sandbox.api_key, "base_url": sandbox.url, "middlewares": [slow_to_leave]}
    async with AsyncTechLadder(**options) as client:
        response = KINDS[kind](client.call_batches.list(limit=10, prefetch=5))
        before = _tasks()
        with contextlib.suppress(ClientDisconnect):
            await response({"type": "http", "asgi": {"spec_version": spec_version}}, receive, send)
        assert _tasks() == before
        assert len(sent) == 2
