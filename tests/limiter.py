"""A gate and a server with a rate limit for tests, both without a network and on the clock of the test."""

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from typing import Any

from techladder_async import RateLimitMiddleware, Request, Response
from techladder_async._wire import Handler
from tests.clock import FakeClock

GET = Request("GET", "/list")


def gate_of(clock: FakeClock, **options: Any) -> RateLimitMiddleware:
    """Give a gate that lives by this clock and draws the widest spread."""
    times = {"clock": clock.monotonic, "now": clock.time, "sleep": clock.sleep, "draw": lambda: 1.0}
    return RateLimitMiddleware(**{**times, **options})


class Limiter:
    """A server with a limit in fixed windows, as the documentation has it; it lives by the clock of the test."""

    def __init__(
        self, clock: FakeClock, limit: int = 300, window: float = 60.0, latencies: Iterable[float] = (0.0,)
    ) -> None:
        self.clock = clock
        self.limit = limit
        self.window = window
        self.latencies = itertools.cycle(latencies)
        self.statuses: list[int] = []
        self.times: list[float] = []
        self._spent: dict[float, int] = {}

    async def __call__(self, request: Request) -> Response:
        there, back = next(self.latencies), next(self.latencies)
        if there:
            await self.clock.sleep(there)
        response = self.answer()
        if back:
            await self.clock.sleep(back)
        return response

    def answer(self) -> Response:
        now = self.clock.time()
        number = now // self.window
        spent = self._spent[number] = self._spent.get(number, 0) + 1
        self.statuses.append(200 if spent <= self.limit else 429)
        self.times.append(now)
        headers = {
            "Date": formatdate(math.floor(now), usegmt=True),
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - spent)),
            "X-RateLimit-Reset": str(math.ceil((number + 1) * self.window)),
        }
        return Response(self.statuses[-1], headers, b"{}")


def says(status: int = 200, **headers: object) -> Handler:
    """Give a handler that always says so; `remaining`, `reset` and `limit` are the rate limit's."""
    names = {name: f"X-RateLimit-{name.title()}" for name in ("remaining", "reset", "limit")}
    told = {names.get(name, name.replace("_", "-")): str(value) for name, value in headers.items()}

    async def handle(_: Request) -> Response:
        return Response(status, told, b"")

    return handle


async def together(call: Callable[[], Awaitable[Any]], times: int) -> list[Any]:
    """Make so many calls at the same time."""
    return await asyncio.gather(*(call() for _ in range(times)))
