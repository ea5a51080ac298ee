"""The client in a FastAPI app: its life, its dependency, and the answers to the API's errors, over real HTTP."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from functools import partial

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from starlette.responses import Response
from starlette.routing import Mount

from techladder_async import (
    AsyncTechLadder,
    BatchStatus,
    CallBatch,
    ConfigurationError,
    Page,
    PaginationError,
    RateLimitError,
    ResponseDecodeError,
    RetryPolicy,
)
from techladder_async.fastapi import TechLadderClient, add_exception_handlers, get_client, lifespan
from techladder_async.sandbox import Fault, Sandbox
from tests.serving import asking, serving


async def _page(client: TechLadderClient, status: BatchStatus | None = None) -> Page[CallBatch]:
    return await client.call_batches.list(status=status, limit=3)


def _options(sandbox, **options):
    return {"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": RetryPolicy.none(), **options}


def _app(sandbox, **options):
    app = FastAPI(lifespan=partial(lifespan, **_options(sandbox, **options)))
    app.get("/batches")(_page)
    add_exception_handlers(app)
    return app


@contextlib.asynccontextmanager
async def _asking(app):
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as http:
        yield http


@contextlib.asynccontextmanager
async def _asking_directly(app):
    async with app.router.lifespan_context(app), asking(app) as http:
        yield http


@pytest.mark.asyncio
async def test_two_hundred_at_once_share_one_pool(caplog):
    """200 concurrent requests are answered over one pool of connections, and the app stops without a warning."""
    with caplog.at_level(logging.WARNING):
        async with Sandbox(500, rate_limit=1000, latency=0.02) as sandbox, _asking(_app(sandbox)) as http:
            answers = await asyncio.gather(*(http.get("/batches") for _ in range(200)))
            connections = len(sandbox._server._web.connections)
            assert [answer.status_code for answer in answers] == [200] * 200
            assert len(sandbox.requests) == 200
            assert 1 < connections <= 100, "aiohttp's pool has 100 connections"
    assert caplog.records == []


@pytest.mark.asyncio
async def test_a_page_as_json(sandbox):
    """An endpoint that returns a page answers with it as the API would write it, and closes the client at the end."""
    seen = []

    async def look(client: TechLadderClient) -> None:
        seen.append(client)

    app = _app(sandbox)
    app.get("/look")(look)
    async with _asking(app) as http:
        page = (await http.get("/batches", params={"status": "active"})).json()
        await http.get("/look")
        await http.get("/look")
    active = [batch for batch in sandbox.batches if batch["status"] == "active"]
    assert page == {"items": active[:3], "total": len(active), "page": 1, "limit": 3, "has_more": True}
    assert seen[0] is seen[1]
    assert seen[0].closed


@pytest.mark.asyncio
async def test_in_a_lifespan_of_ones_own(sandbox):
    """A lifespan of the app's own gets the client from the state, may yield it on, and mounted apps find it there."""

    @contextlib.asynccontextmanager
    async def own(app):
        async with lifespan(app, **_options(sandbox)) as state:
            first = await state["techladder_client"].call_batches.list(limit=1)
            yield {**state, "first": first.items[0].schedule_id}

    mounted = FastAPI()
    mounted.get("/batches")(_page)
    app = FastAPI(lifespan=own, routes=[Mount("/mounted", mounted)])
    async with _asking(app) as http:
        assert len((await http.get("/mounted/batches")).json()["items"]) == 3
    assert len(sandbox.requests) == 2


@pytest.mark.asyncio
async def test_two_apps_do_not_mix():
    """An app, one mounted in it and another one beside it each use the client of their own lifespan."""

    async def total(client: TechLadderClient) -> int:
        return (await client.call_batches.list()).total

    async with Sandbox(1) as first, Sandbox(2) as second, Sandbox(3) as third:
        mounted = FastAPI()

        @contextlib.asynccontextmanager
        async def both(app):
            async with lifespan(app, **_options(first)) as state, lifespan(mounted, **_options(second)):
                yield state

        app = FastAPI(lifespan=both, routes=[Mount("/mounted", mounted)])
        other = FastAPI(lifespan=partial(lifespan, **_options(third)))
        for each in (app, mounted, other):
            each.get("/total")(total)
        async with _asking(app) as http, _asking(other) as beside:
            answers = [await http.get("/total"), await http.get("/mounted/total"), await beside.get("/total")]
    assert [answer.json() for answer in answers] == [1, 2, 3]


@pytest.mark.asyncio
async def test_dependency_override(sandbox):
    """`app.dependency_overrides[get_client]` replaces the client where no lifespan ran."""
    app = FastAPI()
    app.get("/batches")(_page)
    async with AsyncTechLadder(**_options(sandbox)) as client, _asking(app) as http:
        app.dependency_overrides[get_client] = lambda: client
        assert len((await http.get("/batches")).json()["items"]) == 3


@pytest.mark.asyncio
async def test_without_the_lifespan():
    """Where the lifespan did not run, or has ended, the error says what to do."""
    app = FastAPI(lifespan=partial(lifespan, api_key="sk_1"))
    app.get("/batches")(_page)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"FastAPI\(lifespan=techladder_async.fastapi.lifespan\)"):
            await asking(app).get("/batches")
        async with app.router.lifespan_context(app):
            assert isinstance(app.state.techladder_client, AsyncTechLadder)


@pytest.mark.asyncio
async def test_without_a_key(monkeypatch):
    """Without a key the app does not start, and says why."""
    monkeypatch.delenv("TECHLADDER_API_KEY", raising=False)
    app = FastAPI(lifespan=lifespan)
    with pytest.raises(ConfigurationError, match="there is no API key"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "code"), [(429, 1013), (500, 1011)])
async def test_websockets(sandbox, status, code):
    """A websocket gets the client too; an error of the API closes it, with 1013 for the rate limit."""
    app, sent = _app(sandbox), []

    @app.websocket("/ws")
    async def batches(socket: WebSocket, client: TechLadderClient) -> None:
        await socket.accept()
        await socket.send_json((await client.call_batches.list()).total)
        sandbox.fail_next(Fault.status(status))
        await client.call_batches.list()

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    async with app.router.lifespan_context(app):
        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "subprotocols": []}
        await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert (sent[1]["text"], sent[2]["code"]) == ("500", code)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        (Fault.status(400), 502, "The TechLadder API refused this app's request"),
        (Fault.status(401), 502, "The TechLadder API does not accept this app's API key"),
        (Fault.status(403), 502, "The TechLadder API is not enabled for this app's account"),
        (Fault.status(404), 404, "Not Found"),
        (Fault.status(404, body="<h1>nginx at 10.0.0.7</h1>"), 404, "Not found"),
        (Fault.status(418, body="<h1>nginx at 10.0.0.7</h1>"), 502, "The TechLadder API refused this app's request"),
        (Fault.status(500), 502, "The TechLadder API failed"),
        (Fault.status(503, body="<h1>nginx at 10.0.0.7</h1>"), 502, "The TechLadder API failed"),
        (Fault.reset(), 502, "The TechLadder API could not be reached"),
        (Fault.cut_body(), 502, "The TechLadder API could not be reached"),
        (Fault.delay(5), 504, "The TechLadder API did not answer in time"),
        (Fault.status(200, body="[]"), 502, "The TechLadder API's answer could not be read"),
    ],
)
async def test_answers_to_errors(fault, status, detail, caplog):
    """The API's errors become the app's, as one sentence without a host; the log has the whole, without the key."""
    async with Sandbox(5) as sandbox, _asking_directly(_app(sandbox, timeout=0.2)) as http:
        sandbox.fail_next(fault)
        answer = await http.get("/batches")
        assert (answer.status_code, answer.json()) == (status, {"detail": detail})
        assert ("GET" in caplog.text and sandbox.url in caplog.text) == (status >= 500)
        assert sandbox.api_key not in caplog.text


@pytest.mark.asyncio
async def test_422_keeps_its_details(sandbox):
    """A 422 of the API stays one, with its details in the shape of FastAPI's own."""
    async with _asking_directly(_app(sandbox)) as http:
        answer = await http.get("/batches", params={"status": "odd"})
        sandbox.fail_next(Fault.status(422, body={"status_code": 422, "error": {"code": "VALIDATION_ERROR"}}))
        bare = await http.get("/batches")
    text = "Must be one of pending, active, completed, failed, cancelled"
    assert answer.status_code == bare.status_code == 422
    assert answer.json() == {"detail": [{"type": "techladder", "loc": ["techladder", "status"], "msg": text}]}
    assert bare.json() == {"detail": [{"type": "techladder", "loc": ["techladder"], "msg": "Not valid"}]}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "headers", "answered", "retry_after"),
    [
        (429, {"Retry-After": "120.2"}, 503, "121"),
        (429, {"Retry-After": "0", "X-RateLimit-Reset": "0"}, 503, "1"),
        (429, {"X-RateLimit-Reset": "soon"}, 503, "30"),
        (503, {"Retry-After": "7"}, 502, "7"),
        (500, {}, 502, None),
    ],
)
async def test_retry_after(sandbox, status, headers, answered, retry_after):
    """A 429 becomes a 503 with `Retry-After` in whole seconds, 30 where the API did not say; others hand theirs on."""
    async with _asking_directly(_app(sandbox)) as http:
        sandbox.fail_next(Fault.status(status, headers=headers))
        answer = await http.get("/batches")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (answered, retry_after)


@pytest.mark.asyncio
async def test_handlers_of_ones_own_go_first():
    """A handler for one class wins, and errors of the SDK that no request causes stay a 500."""
    app = FastAPI()
    errors = {
        "listing": PaginationError("again"),
        "decode": ResponseDecodeError("odd"),
        "rate": RateLimitError("slow"),
        "config": ConfigurationError("bug"),
    }

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise errors[name]

    add_exception_handlers(app)
    app.add_exception_handler(RateLimitError, lambda request, error: Response(status_code=420))
    http = asking(app, raise_app_exceptions=False)
    assert [(await http.get(f"/{name}")).status_code for name in errors] == [502, 502, 420, 500]


def test_without_fastapi():
    """Without FastAPI the import fails with the extra's name; the package itself does not need it, nor import it."""
    code = (
        "import sys, techladder_async; assert not {'fastapi', 'pydantic'} & sys.modules.keys(); "
        "sys.modules['fastapi'] = None; import techladder_async.fastapi"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError: techladder_async.fastapi needs FastAPI: pip install 'techladder_async[fastapi]'" in run.stderr
