"""Draws the README's pictures of the command line and the dashboard again: `python -m tests.pictures`."""

import asyncio
import os
import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from rich.console import Console, Group
from rich.terminal_theme import MONOKAI
from rich.text import Text

from techladder_async import AsyncTechLadder
from techladder_async.cli._look import batch_table
from techladder_async.cli._look_live import LiveView
from techladder_async.fastapi import batches_dashboard, lifespan
from techladder_async.sandbox import Sandbox
from tests.browser import browser, tab
from tests.serving import serving

DIRECTORY = Path(__file__).parent.parent / ".github" / "pictures"
WIDTH = 100
# The pictures stand alone: Rich's own SVG asks the web for its font.
FONT_FACES = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def save_terminal(name, command, picture):
    """Write what the terminal shows after a command as an SVG."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, height=22, file=nowhere, force_terminal=True, highlight=False)
        console.print(Group(Text(f"$ {command}", "bold"), picture, ""))
    svg = console.export_svg(title="techladder", theme=MONOKAI, unique_id=name)
    (DIRECTORY / f"{name}.svg").write_text(FONT_FACES.sub("", svg), encoding="utf-8")


async def draw_list():
    """Draw the table."""
    async with Sandbox() as sandbox, AsyncTechLadder(sandbox.api_key, base_url=sandbox.url) as client:
        batches = await client.call_batches.list(max_items=14).collect()
    save_terminal("list", "techladder batches list --sandbox --max-items 14", batch_table(batches, None, WIDTH))


async def draw_watch():
    """Draw the live view after a few refreshes."""
    async with Sandbox(30) as sandbox, AsyncTechLadder(sandbox.api_key, base_url=sandbox.url) as client:
        view = LiveView(Console(width=WIDTH, height=20))
        for _ in range(3):
            batches = await client.call_batches.list().collect()
            picture = view.render(batches, datetime(2026, 5, 14, 10, 0, 42, tzinfo=UTC))
            sandbox.advance()
    save_terminal("watch", "techladder batches watch --sandbox", picture)


async def draw_dashboard():
    """Draw the dashboard in a browser: a window in light colours, and a phone in dark ones."""
    async with Sandbox(seed=3) as sandbox:
        app = FastAPI(lifespan=partial(lifespan, api_key=sandbox.api_key, base_url=sandbox.url))
        app.include_router(batches_dashboard(max_items=300))
        async with serving(app) as url:
            with browser() as address:
                await shoot(address, url, "dashboard")
                await shoot(address, url, "dashboard-phone", width=360, height=780, dark=True)


async def shoot(address, url, name, **window):
    """Write what one window shows as a PNG."""
    async with tab(address, f"{url}/dashboard", **window) as page:
        await page.until("document.querySelectorAll('tbody tr').length > 9")
        (DIRECTORY / f"{name}.png").write_bytes(await page.screenshot())


async def main():
    """Draw all of them."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    await draw_list()
    await draw_watch()
    await draw_dashboard()


if __name__ == "__main__":
    asyncio.run(main())
