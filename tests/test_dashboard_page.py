"""The dashboard's page in a real browser."""

import contextlib
from functools import partial

import pytest
from fastapi import FastAPI

from techladder_async.fastapi import batches_dashboard, lifespan
from techladder_async.fastapi._poller import Poller
from techladder_async.sandbox import Fault, Sandbox
from tests.browser import EXECUTABLE, browser, tab
from tests.serving import serving

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(EXECUTABLE is None, reason="needs a Chromium: apt-get install chromium"),
]

ROWS = "document.querySelectorAll('#batches tbody tr').length"
LIVE = "document.getElementById('live').dataset.state === 'live'"
PROBLEM = "!document.getElementById('problem').hidden"
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>" + "W" * 200


@pytest.fixture(scope="module")
def chromium():
    """Give a browser that all tests here share."""
    with browser() as address:
        yield address


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Let the poller look again soon in place of after a second at the least."""
    look = Poller._look

    async def hurried(poller):
        await look(poller)
        return 0.1

    monkeypatch.setattr(Poller, "_look", hurried)


@contextlib.asynccontextmanager
async def _page(chromium, sandbox, query="", **window):
    app = FastAPI(lifespan=partial(lifespan, api_key=sandbox.api_key, base_url=sandbox.url))
    app.include_router(batches_dashboard(interval=1))
    async with serving(app) as url, tab(chromium, f"{url}/dashboard{query}", **window) as page:
        yield page


def _sandbox(batches):
    return Sandbox(batches, rate_limit=10_000)


def _row(batch):
    return f"[...document.querySelectorAll('tbody tr')].find(row => row.textContent.includes('{batch['schedule_id']}'))"


async def test_shows_the_batches_and_stays_fresh(chromium):
    """Batches are shown with status, counts and a progress bar, and follow the API without a reload."""
    async with _sandbox(40) as sandbox, _page(chromium, sandbox) as page:
        await page.until(f"{ROWS} === 40 && {LIVE}")
        batch = sandbox.batches[0]
        sandbox.update_batch(
            batch["schedule_id"], status="active", total_contacts=200, completed_contacts=90, failed_contacts=10
        )
        await page.until(f"{_row(batch)}.textContent.includes('100 of 200')")
        bar = f"{_row(batch)}.querySelector('[role=progressbar]')"
        assert await page.value(f"{bar}.getAttribute('aria-valuenow')") == "50"
        assert await page.value(f"{bar}.querySelector('.done').style.width") == "45%"
        assert await page.value(f"{_row(batch)}.querySelector('.badge').textContent") == "active"
        new = sandbox.add_batch()
        await page.until(f"{ROWS} === 41 && document.querySelector('tbody tr') === {_row(new)}")
        sandbox.remove_batch(new["schedule_id"])
        await page.until(f"{ROWS} === 40")
        assert page.complaints == []


async def test_every_value_is_escaped(chromium):
    """Markup in any value is shown as text and runs nothing, and a value without spaces does not widen the page."""
    fields = dict.fromkeys(("agent_id", "agent_name", "version_id", "status", "start_mode"), HOSTILE)
    async with _sandbox(1) as sandbox:
        sandbox.add_batch(schedule_id=HOSTILE, **fields)
        async with _page(chromium, sandbox, width=360, height=780) as page:
            await page.until(f"{ROWS} === 2")
            assert await page.value("document.querySelectorAll('img, td script, th script').length") == 0
            assert await page.value("document.title") == "Call batches"
            name = await page.value("document.querySelector('tbody [data-field=agent_name]').textContent")
            assert name == HOSTILE
            assert not await page.value(SIDEWAYS)
            assert page.complaints == []


async def test_filters_by_keyboard(chromium):
    """Tab and the arrow keys reach and turn the filters, which the address keeps."""
    async with _sandbox(60) as sandbox, _page(chromium, sandbox) as page:
        await page.until(f"{ROWS} === 60")
        await page.press("Tab", 9)
        assert await page.value("document.activeElement.name + document.activeElement.value") == "status"
        await page.press("ArrowRight", 39)
        await page.press("ArrowRight", 39)
        active = [batch for batch in sandbox.batches if batch["status"] == "active"]
        await page.until(f"{ROWS} === {len(active)}")
        assert await page.value("location.search") == "?status=active"
        await page.press("Tab", 9)
        assert await page.value("document.activeElement.id") == "agent"
        await page.press("ArrowDown", 40)
        agent = await page.until("new URLSearchParams(location.search).get('agent')")
        wanted = sum(batch["agent_id"] == agent for batch in active)
        await page.until(f"{ROWS} === {wanted}")


async def test_filters_from_the_address(chromium):
    """A page that is opened with filters has them set; with nothing to show it says so, and a key clears them."""
    async with _sandbox(20) as sandbox, _page(chromium, sandbox, "?status=unheard-of&agent=agt-none") as page:
        await page.until("!document.getElementById('empty').hidden")
        assert await page.value("document.getElementById('empty').innerText.split('\\n')[0]") == (
            "No batch matches the filters."
        )
        await page.value("document.getElementById('clear').focus()")
        await page.press("Enter", 13, "\r")
        await page.until(f"{ROWS} === 20 && location.search === ''")


async def test_nothing_to_show(chromium):
    """Without batches the page says so."""
    async with _sandbox(0) as sandbox, _page(chromium, sandbox) as page:
        await page.until("document.getElementById('empty-text').textContent === 'There are no call batches yet.'")
        assert await page.value("document.getElementById('clear').hidden")


async def test_trouble_and_its_end(chromium):
    """While the API is down the page says so and keeps what it had; when it is back, so is the page."""
    async with _sandbox(5) as sandbox, _page(chromium, sandbox) as page:
        await page.until(f"{ROWS} === 5")
        sandbox.fail_share(Fault.status(401), 1.0)
        await page.until(PROBLEM)
        said = await page.value("document.getElementById('problem-text').textContent")
        assert said == "The TechLadder API does not accept this app's API key. Trying again…"
        assert await page.value(ROWS) == 5
        assert "Not up to date" in await page.value("document.getElementById('live').textContent")
        sandbox.clear_faults()
        await page.until(f"!({PROBLEM}) && {LIVE}")


async def test_reconnects(chromium):
    """When the app goes away the page says so, and when one is there again it goes on."""
    async with _sandbox(5) as sandbox:
        app = FastAPI(lifespan=partial(lifespan, api_key=sandbox.api_key, base_url=sandbox.url))
        app.include_router(batches_dashboard(interval=1))
        async with contextlib.AsyncExitStack() as stack:
            async with serving(app) as url:
                page = await stack.enter_async_context(tab(chromium, f"{url}/dashboard"))
                await page.until(f"{ROWS} === 5")
            await page.until(PROBLEM)
            sandbox.add_batch()
            async with serving(app, port=int(url.rpartition(":")[2])):
                await page.value("document.getElementById('retry').click()")
                await page.until(f"{ROWS} === 6 && {LIVE} && !({PROBLEM})")


@pytest.mark.parametrize("dark", [False, True])
async def test_fits_a_phone_and_the_night(chromium, dark):
    """At 360 pixels nothing scrolls sideways, and in dark mode the text is light on a dark ground."""
    async with _sandbox(30) as sandbox, _page(chromium, sandbox, width=360, height=780, dark=dark) as page:
        await page.until(f"{ROWS} === 30")
        assert not await page.value(SIDEWAYS)
        ground = await page.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
        ink = await page.value("getComputedStyle(document.body).color.match(/\\d+/)[0]")
        assert (int(ground) < int(ink)) == dark


async def test_named_for_screen_readers(chromium):
    """Everything to operate and every region has a name and a role in the accessibility tree, on a phone as well."""
    async with _sandbox(3) as sandbox, _page(chromium, sandbox, width=360, height=780) as page:
        await page.until(f"{ROWS} === 3")
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    assert {("table", "Call batches"), ("form", "Filters"), ("group", "Status"), ("radio", "All 3")} <= named
    assert {("combobox", "Agent"), ("columnheader", "Progress"), ("heading", "Call batches")} <= named
    bars = {name for role, name in named if role == "progressbar"}
    assert bars == {f"Progress of {batch['schedule_id']}" for batch in sandbox.batches}
