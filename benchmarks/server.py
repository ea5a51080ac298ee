"""A server of pre-rendered pages, in a process of its own and cheap enough that the client is what gets measured.

A page is one template of up to 100 items into which the page's number and clock are set, so that every item of a walk
of a million has an id and times of its own while the server holds a few kilobytes. `/control` sets it up, resets
and returns the counters.
"""

import asyncio
import functools
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with suppress(ImportError):  # an extra, faster where it is there
    import uvloop

    new_event_loop = uvloop.new_event_loop

LIST_PATH = "/api/v1/public/call-batches"
MAX_LIMIT = 100
DOCUMENTED_RATE = 300
# What differs from page to page. One `%` over the template costs a third of replacing field by field.
PAGE, CLOCK = "%(page)b", "%(clock)b"
AGENTS = ("Customer Outreach Agent", "Renewal Reminder Agent", "Survey Agent", "Appointment Confirmation Agent")
STATUSES = ("pending", "active", "completed", "failed", "cancelled")
RATE_LIMITED = json.dumps(
    {
        "status_code": 429,
        "message": "Rate limit exceeded. Please retry after 30 seconds.",
        "error": {"code": "RATE_LIMITED", "details": ["Maximum 300 requests per minute"]},
        "data": None,
    }
).encode()


def template_item(index: int) -> dict[str, object]:
    """One batch, varied by its index; page and clock are left open."""
    hour, contacts = index % 24, 100 + 37 * index % 900
    scheduled = index % 4 != 0
    return {
        "schedule_id": f"sched_{PAGE}{index:02x}",
        "agent_id": f"agt-57949b{index % 4:02x}",
        "agent_name": AGENTS[index % len(AGENTS)],
        "version_id": f"pmt-667ddf27{index % 8:02x}",
        "status": STATUSES[index % len(STATUSES)],
        "start_mode": "scheduled" if scheduled else "immediate",
        "total_contacts": contacts,
        "completed_contacts": contacts * (index % 5) // 5,
        "failed_contacts": index % 7,
        "scheduled_at": f"2026-05-15T{hour:02d}:{CLOCK}Z" if scheduled else None,
        "created_at": f"2026-05-14T{hour:02d}:{CLOCK}Z",
    }


@functools.cache
def template(count: int) -> bytes:
    """Render the JSON array of `count` items, once for each count."""
    return json.dumps([template_item(index) for index in range(count)]).encode()


def render_page(page: int, limit: int, total: int) -> bytes:
    """Put the documented envelope around the items of one page."""
    count = max(0, min(limit, total - (page - 1) * limit))
    clock = b"%02d:%02d" % (page // 60 % 60, page % 60)
    items = template(count) % {b"page": b"%06x" % page, b"clock": clock}
    has_more = b"true" if page * limit < total else b"false"
    head = b'{"status_code": 200, "message": "Call batches fetched successfully", "error": null, "data": {"items": '
    tail = b', "total": %d, "page": %d, "limit": %d, "has_more": %b}}' % (total, page, limit, has_more)
    return head + items + tail


@dataclass
class State:
    """What the control request sets, and what is counted from then on."""

    total: int = 0
    latency: float = 0.0  # seconds before an answer leaves
    rate: int = 0  # requests a window; 0: no limit
    window: int = 60  # whole seconds, since the reset header has no fraction
    requests: int = 0
    rejected: dict[int, int] = field(default_factory=dict)  # 429s by window
    used: int = 0
    current: int = 0
    first: int = 0
    cpu: float = field(default_factory=time.process_time)

    def answer(self, target: str) -> bytes:
        """Give the whole HTTP response to one GET of the list."""
        query = dict(parse_qsl(urlsplit(target).query))
        self.requests += 1
        remaining, reset = self.take(time.time())
        if remaining < 0:
            self.rejected[self.current] = self.rejected.get(self.current, 0) + 1
            return respond(HTTPStatus.TOO_MANY_REQUESTS, RATE_LIMITED, 0, reset)
        limit = min(int(query.get("limit", 50)), MAX_LIMIT)
        body = render_page(int(query.get("page", 1)), limit, self.total)
        return respond(HTTPStatus.OK, body, remaining, reset)

    def take(self, now: float) -> tuple[int, int]:
        """Spend one request of the fixed window around `now`: what remains (below zero: refused) and the reset."""
        window = int(now // self.window)
        if window != self.current:
            self.current, self.used = window, 0
            self.first = self.first or window
        self.used += 1
        remaining = self.rate - self.used if self.rate else DOCUMENTED_RATE - 1
        return remaining, (window + 1) * self.window

    def counters(self) -> bytes:
        """Give what was counted since the last control request, as JSON."""
        first = self.rejected.get(self.first, 0)
        counted = {
            "requests": self.requests,
            "server_cpu": time.process_time() - self.cpu,
            "rejected_first_window": first,
            "rejected_later": sum(self.rejected.values()) - first,
        }
        return json.dumps(counted).encode()


def respond(status: HTTPStatus, body: bytes, remaining: int, reset: int) -> bytes:
    """Join the status line, the documented headers and the body."""
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nX-RateLimit-Limit: {DOCUMENTED_RATE}\r\n"
        f"X-RateLimit-Remaining: {remaining}\r\nX-RateLimit-Reset: {reset}\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection. Requests have no body, so a blank line ends each."""

    state = State()  # one for the process: /control replaces it for all connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        *requests, self.pending = (self.pending + data).split(b"\r\n\r\n")
        for request in requests:
            self.serve(request.split(b" ", 2)[1].decode())

    def serve(self, target: str) -> None:
        """Answer one target, at once or after the latency."""
        if target.startswith("/control"):
            self.send(self.control(target))
        elif self.state.latency:
            answer = self.state.answer(target)
            asyncio.get_running_loop().call_later(self.state.latency, self.send, answer)
        else:
            self.send(self.state.answer(target))

    def control(self, target: str) -> bytes:
        """Give the counters; with a query, start over as it says."""
        counters = self.state.counters()
        query = dict(parse_qsl(urlsplit(target).query))
        if query:
            numbers = {name: float(value) if name == "latency" else int(value) for name, value in query.items()}
            Connection.state = State(**numbers)  # type: ignore[arg-type]  # only the harness asks, by field name
        return respond(HTTPStatus.OK, counters, 0, 0)

    def send(self, answer: bytes) -> None:
        """Write, unless the client has gone during the latency."""
        if not self.transport.is_closing():
            self.transport.write(answer)  # type: ignore[attr-defined]  # a TCP transport: the base type has no write


async def main() -> None:
    """Serve on a free loopback port, print it, and end when standard input does."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
