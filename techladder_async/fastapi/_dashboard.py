"""`batches_dashboard`: a router with one page, and the events that keep it fresh."""

import base64
import hashlib
import html
from collections.abc import AsyncGenerator, Sequence
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.params import Depends
from fastapi.responses import HTMLResponse, StreamingResponse

from .._client import AsyncTechLadder
from ._client import TechLadderClient
from ._poller import NOTHING, Pollers, State
from ._streams import ClosingResponse, event

_RECONNECT_AFTER = b"retry: 2000\n\n"  # milliseconds
_HEARTBEAT_EVERY = 15.0  # seconds


def batches_dashboard(
    prefix: str = "/dashboard",
    *,
    interval: float = 5.0,
    max_items: int = 500,
    title: str = "Call batches",
    dependencies: Sequence[Depends] = (),
) -> APIRouter:
    """Return a router with one page that shows the call batches and keeps itself fresh.

    It shows them to everybody who can reach it: give it your own authentication as `dependencies`.

    Args:
        prefix: Where the page is. Its events are at `{prefix}/events`.
        interval: Seconds between two listings, at least 1. One listing serves all who look, and none is made when
            nobody does. It is stretched where listing would take more than a third of the API's rate limit.
        max_items: List no more batches than so many, from the listing's beginning; each 100 take a request.
        title: The page's heading.
        dependencies: Dependencies of both endpoints, as in `[Depends(current_user)]`.

    Raises:
        ValueError: `interval` or `max_items` is below 1.

    """
    if not interval >= 1 or max_items < 1:
        msg = f"interval and max_items must be at least 1, not {interval!r} and {max_items!r}"
        raise ValueError(msg)
    page, headers = _page(title)
    pollers = Pollers(interval, max_items)
    router = APIRouter(prefix=prefix, dependencies=[*dependencies], include_in_schema=False)

    @router.get("" if prefix else "/")
    async def dashboard() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    @router.get("/events")
    async def events(client: TechLadderClient) -> StreamingResponse:
        return ClosingResponse(_events(pollers, client), "text/event-stream", heartbeat_every=_HEARTBEAT_EVERY)

    return router


def _page(title: str) -> tuple[str, dict[str, str]]:
    """Return the page and the headers that let it run its own script and style, and nothing else."""
    source = files("techladder_async.fastapi") / "page"
    style, script = ((source / name).read_text("utf-8") for name in ("page.css", "page.js"))
    page = (source / "page.html").read_text("utf-8").replace("{style}", style).replace("{script}", script)
    page = page.replace("{title}", html.escape(title))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return page, headers


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


async def _events(pollers: Pollers, client: AsyncTechLadder) -> AsyncGenerator[bytes, None]:
    yield _RECONNECT_AFTER
    async with pollers.look(client) as poller:
        seen = shown = NOTHING
        while (state := await poller.later(seen)) is not None:
            seen = state
            if state.total is not None and (state.problem is None or shown is NOTHING):
                yield event("snapshot" if shown is NOTHING else "changes", _news(shown, state))
                shown = state
            if state.problem is not None:
                yield event("problem", {"detail": state.problem})


def _news(shown: State, state: State) -> dict[str, Any]:
    """Return what changed since the state that is shown."""
    before = shown.batches
    changed = [batch.to_dict() for key, batch in state.batches.items() if before.get(key) != batch]
    return {"changed": changed, "removed": [key for key in before if key not in state.batches], "total": state.total}
