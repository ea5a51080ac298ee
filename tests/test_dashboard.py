"""The dashboard over real HTTP: its page, its events, and its one poller."""

import asyncio
import contextlib
import json
import logging
import re
from functools import partial

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from techladder_async import AsyncTechLadder
from techladder_async.fastapi import batches_dashboard, lifespan
from techladder_async.fastapi._poller import NOTHING, Poller, Pollers
from techladder_async.sandbox import Fault, Sandbox
from tests.serving import asking, serving


def _app(sandbox, **options):
    app = FastAPI(lifespan=partial(lifespan, api_key=sandbox.api_key, base_url=sandbox.url))
    app.include_router(batches_dashboard(interval=1, **options))
    return app


@contextlib.asynccontextmanager
async def _dashboard(sandbox, **options):
    async with serving(_app(sandbox, **options)) as url, httpx.AsyncClient(base_url=url, timeout=10) as http:
        yield http


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Let the poller look again at once in place of after a second at the least."""
    waits, look = [], Poller._look

    async def hurried(poller):
        waits.append(await look(poller))
        return 0.03

    monkeypatch.setattr(Poller, "_look", hurried)
    return waits


class _Events:
    """The events of an open stream, one after the other."""

    def __init__(self, lines):
        self._lines = lines

    async def next(self, *names):
        """Return the next event of these names, as (name, data), leaving out changes in which nothing changed."""
        async with asyncio.timeout(5):
            name = ""
            async for line in self._lines:
                field, _, value = line.partition(": ")
                name = value if field == "event" else name
                if field == "data" and (not names or name in names):
                    data = json.loads(value)
                    if name != "changes" or data["changed"] or data["removed"]:
                        return name, data
        raise AssertionError("the stream has ended")


@contextlib.asynccontextmanager
async def _watching(http, prefix="/dashboard"):
    async with http.stream("GET", f"{prefix}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        async with contextlib.aclosing(answer.aiter_lines()) as lines:
            yield _Events(lines)


@pytest.mark.asyncio
async def test_the_page_is_self_contained(sandbox):
    """The page loads nothing from elsewhere, may run its own script and style alone, and escapes its title."""
    async with _dashboard(sandbox, title="<b>{style}&amp;") as http:
        answer = await http.get("/dashboard")
        assert (await http.get("/dashboard/")).status_code in {200, 307}
        assert "/dashboard" not in (await http.get("/openapi.json")).text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.findall(r"(?:src|href)=[\"'](?!data:)", answer.text) == []
    assert "http" not in answer.text
    assert "<h1>&lt;b&gt;{style}&amp;amp;</h1>" in answer.text
    assert "innerHTML" not in answer.text


@pytest.mark.asyncio
async def test_events(sandbox):
    """A viewer gets everything once, and then what changes, comes and goes."""
    async with _dashboard(sandbox) as http, _watching(http) as events:
        name, data = await events.next()
        assert (name, data["changed"], data["total"]) == ("snapshot", list(sandbox.batches), 500)
        changed = sandbox.update_batch(sandbox.batches[3]["schedule_id"], status="failed", failed_contacts=4)
        assert await events.next() == ("changes", {"changed": [changed], "removed": [], "total": 500})
        new = sandbox.add_batch(agent_name="<img src=x onerror=alert(1)>")
        assert (await events.next())[1] == {
            "changed": [new],
            "removed": [sandbox.batches[500]["schedule_id"]],
            "total": 501,
        }
        sandbox.remove_batch(new["schedule_id"])
        assert (await events.next())[1]["removed"] == [new["schedule_id"]]


@pytest.mark.asyncio
async def test_one_poller_for_all_who_look():
    """Ten viewers cost no more requests than one, and when the last one leaves nothing is asked any more."""
    async with Sandbox(150, rate_limit=1000) as sandbox, _dashboard(sandbox) as http:
        async with contextlib.AsyncExitStack() as stack:
            viewers = [await stack.enter_async_context(_watching(http)) for _ in range(10)]
            sent = [await viewer.next("snapshot") for viewer in viewers]
            assert all(data == sent[0] for data in sent)
            looks = len(sandbox.requests)
            pages = [request.query["page"] for request in sandbox.requests]
            assert pages == (["1", "2"] * looks)[:looks], "one after the other"
        await asyncio.sleep(0.1)
        looks = len(sandbox.requests)
        await asyncio.sleep(0.15)
        assert len(sandbox.requests) == looks
        async with _watching(http) as events:
            assert len((await events.next("snapshot"))[1]["changed"]) == 150


@pytest.mark.asyncio
async def test_an_api_that_is_down(caplog):
    """Viewers are told of trouble in a sentence, with what was known before, and of its end; the log is told once."""
    async with Sandbox(3, rate_limit=10_000) as sandbox, _dashboard(sandbox) as http, _watching(http) as events:
        await events.next("snapshot")
        sandbox.fail_share(Fault.status(401), 1.0)
        trouble = ("problem", {"detail": "The TechLadder API does not accept this app's API key"})
        assert [await events.next("problem") for _ in range(3)] == [trouble] * 3
        async with _watching(http) as late:
            assert (await late.next())[0] == "snapshot"
            assert await late.next() == trouble
        sandbox.clear_faults()
        changed = sandbox.update_batch(sandbox.batches[0]["schedule_id"], status="failed")
        assert (await events.next("changes"))[1]["changed"] == [changed]
    assert len(caplog.records) == 1


@pytest.mark.asyncio
async def test_within_the_rate_limit(soon):
    """Listing takes at most a third of the rate limit, however long the listing, and waits as the API asks."""
    async with (
        Sandbox(3000, rate_limit=1000) as sandbox,
        _dashboard(sandbox, max_items=1200) as http,
        _watching(http) as events,
    ):
        _, data = await events.next("snapshot")
        assert (len(data["changed"]), data["total"]) == (1200, 3000)
        assert soon[0] == pytest.approx(12 * 0.6)
        sandbox.fail_share(Fault.status(503, headers={"Retry-After": "77"}), 1.0)
        await events.next("problem")
        assert soon[-1] == pytest.approx(77)


@pytest.mark.asyncio
async def test_stops_with_the_server(sandbox, caplog):
    """A server that is asked to stop does, though somebody looks: the stream ends, and nothing warns."""
    app = _app(sandbox)
    async with httpx.AsyncClient() as http, contextlib.AsyncExitStack() as viewers:
        with caplog.at_level(logging.WARNING):
            async with serving(app) as url:
                events = await viewers.enter_async_context(_watching(http, f"{url}/dashboard"))
                await events.next("snapshot")
        with pytest.raises(AssertionError, match="the stream has ended"):
            await events.next("problem")
    assert caplog.records == []


@pytest.mark.asyncio
async def test_a_poller_that_breaks(sandbox, monkeypatch):
    """What is no trouble of the API's ends the stream of those who look, in place of a silence."""

    async def broken(poller):
        raise ZeroDivisionError

    monkeypatch.setattr(Poller, "_look", broken)
    async with AsyncTechLadder(sandbox.api_key, base_url=sandbox.url) as client, Pollers(1, 1).look(client) as poller:
        with pytest.raises(ZeroDivisionError):
            await poller.later(NOTHING)


@pytest.mark.asyncio
async def test_behind_a_dependency():
    """Both endpoints are behind the dependencies given; the router may be included below another prefix."""

    def refuse():
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(batches_dashboard("", dependencies=[Depends(refuse)]), prefix="/admin")
    assert [(await asking(app).get(path)).status_code for path in ("/admin/", "/admin/events")] == [401, 401]


@pytest.mark.parametrize("options", [{"interval": 0.5}, {"interval": float("nan")}, {"max_items": 0}])
def test_options_that_make_no_sense(options):
    """An interval or a size below 1 is refused when the router is made."""
    with pytest.raises(ValueError, match="must be at least 1"):
        batches_dashboard(**options)
