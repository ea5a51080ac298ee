"""The README's FastAPI app, as it stands there, under uvicorn: driven over HTTP and in a browser."""

import json
import re

import httpx
import pytest

from techladder_async.sandbox import Sandbox
from tests.browser import EXECUTABLE, browser, tab
from tests.serving import serving
from tests.test_readme import BLOCK, README


@pytest.fixture
def source():
    """Give the README's app."""
    [app] = [block for block in BLOCK.findall(README.read_text("utf-8")) if "batches_dashboard" in block]
    return app


@pytest.fixture
def app(source, monkeypatch):
    """Give the app, set up by the environment to ask a sandbox."""
    with Sandbox(250) as sandbox:
        monkeypatch.setenv("TECHLADDER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("TECHLADDER_BASE_URL", sandbox.url)
        namespace = {"__name__": "app"}
        exec(compile(source, "app.py", "exec", dont_inherit=True), namespace)
        yield namespace["app"]


def test_it_is_short(source):
    """The app has fewer than 40 lines."""
    assert len(source.splitlines()) < 40


@pytest.mark.asyncio
async def test_over_http(app):
    """It answers a page as JSON, streams all batches, and names its models in its schema."""
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as http:
        page = (await http.get("/batches", params={"page": 2})).json()
        assert (page["page"], page["total"], len(page["items"])) == (2, 250, 50)
        lines = (await http.get("/batches.ndjson")).text.splitlines()
        assert len({json.loads(line)["schedule_id"] for line in lines}) == 250
        assert "CallBatch" in (await http.get("/openapi.json")).json()["components"]["schemas"]
        assert (await http.get("/batches.ndjson", params={"status": "no such status"})).status_code == 422


@pytest.mark.asyncio
@pytest.mark.skipif(EXECUTABLE is None, reason="needs Chromium: apt-get install chromium")
async def test_in_a_browser(app):
    """Its dashboard shows the batches in a browser, which has nothing to complain of."""
    async with serving(app) as url:
        with browser() as address:
            async with tab(address, f"{url}/dashboard") as page:
                await page.until("document.querySelectorAll('tbody tr').length > 9")
                assert re.search(r"sched_[0-9a-f]{8}", await page.value("document.body.innerText"))
                assert not page.complaints
                assert (await page.screenshot()).startswith(b"\x89PNG")
