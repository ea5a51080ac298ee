"""`RateLimitMiddleware`: a gate that keeps a client's requests within what the server says remains."""

from __future__ import annotations

import asyncio
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from .._limits import FARTHEST_RESET, count, reset_time, retry_after, server_time
from ..errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._wire import Handler, Headers, Request, Response

_SPREAD_PER_WAITER = 0.005
_SPREAD_OF_WAIT = 0.1
_WIDEST_SPREAD = 0.25
_CLOCK_STEP = 2.0


class RateLimitMiddleware:
    """Holds requests back until the rate limit's reset when nothing remains, instead of running into a 429.

    One instance is one gate, for all requests that pass it. It counts what it lets through against the last
    `X-RateLimit-Remaining`, so that requests in flight together do not overshoot; until a first answer has come it
    lets everything through. A reset that is past, unreadable or more than an hour ahead is ignored. One that is farther
    ahead than `max_wait` seconds, or than the request's deadline, raises `RateLimitError` at once.
    """

    def __init__(
        self,
        max_wait: float = 65.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._server_clock = _ServerClock(clock, now)
        self._limit: int | None = None
        self._remaining: int | None = None
        """How many more requests fit the present window, those in flight counted; `None` until a response has said."""
        self._spent = False
        """Whether the server itself said that nothing remains: waiting for requests in flight would not help."""
        self._reset = 0.0
        """When the present window ends, in the server's time."""
        self._in_flight = 0
        self._waiting = 0
        self._landing = asyncio.Event()

    async def __call__(self, request: Request, handler: Handler) -> Response:
        """Wait for the gate, send the request, and learn from the answer."""
        if self._remaining is not None:
            if self._remaining <= 0:
                await self._wait_for_gate(request)
            self._count_one()
        self._in_flight += 1
        try:
            response = await handler(request)
        finally:
            self._in_flight -= 1
            if self._waiting:
                self._wake()
        self._learn(response)
        return response

    def _count_one(self) -> None:
        if self._remaining is not None:
            self._remaining -= 1

    def _wake(self) -> None:
        """Let whoever waits for a request in flight look again; they run after the answer has been learnt from."""
        self._landing.set()
        self._landing = asyncio.Event()

    async def _wait_for_gate(self, request: Request) -> None:
        self._waiting += 1
        try:
            while not self._may_pass():
                if self._in_flight and not self._spent:
                    await self._landing.wait()
                else:
                    await self._wait_for_reset(request)
        finally:
            self._waiting -= 1

    def _may_pass(self) -> bool:
        if self._remaining is not None and self._remaining <= 0 and self._server_clock.read() >= self._reset:
            # A new window. What is in flight may be counted in it.
            self._remaining = None if self._limit is None else max(1, self._limit - self._in_flight)
            self._spent = False
        return self._remaining is None or self._remaining > 0

    async def _wait_for_reset(self, request: Request) -> None:
        wait = self._reset - self._server_clock.read()
        if wait > self._max_wait or (request.deadline is not None and self._clock() + wait > request.deadline):
            msg = f"429: nothing remains of the rate limit for another {wait:.0f} s. Wait that long, or send less."
            raise RateLimitError(msg, status_code=429, code="RATE_LIMITED", retry_after=wait)
        # Those who wait together are let go one after another, not all in the same instant.
        spread = min(_WIDEST_SPREAD, _SPREAD_OF_WAIT * wait, _SPREAD_PER_WAITER * self._waiting)
        await self._sleep(wait + self._draw() * spread)

    def _learn(self, response: Response) -> None:
        headers = response.headers
        self._server_clock.learn(headers)
        now = self._server_clock.read()
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._pause(headers, now)
            return
        remaining = count(headers, "X-RateLimit-Remaining")
        reset = reset_time(headers)
        if remaining is None or reset is None or not now < reset <= now + FARTHEST_RESET:
            return
        if self._remaining is not None and reset < self._reset and now < self._reset:
            return  # a late answer, of the window before
        self._limit = count(headers, "X-RateLimit-Limit")
        self._reset = reset
        self._spent = remaining == 0
        # The server may not have counted those in flight yet: never too many, and put right as they land.
        self._remaining = max(0, remaining - self._in_flight)

    def _pause(self, headers: Headers, now: float) -> None:
        """Hold everybody once, however many 429s come together."""
        wait = retry_after(headers, now)
        reset = reset_time(headers) if wait is None else now + wait
        if reset is not None and now < reset <= now + FARTHEST_RESET:
            self._reset = max(reset, self._reset) if self._spent else reset
            self._remaining = 0
            self._spent = True


class _ServerClock:
    """The server's time, from its `Date` headers.

    A `Date` is cut to whole seconds and has been under way, so the server's true time is never earlier than what one
    says. The greatest lead over the clock here that was ever seen is therefore the best estimate, and never ahead of
    the truth.
    """

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._clock = clock
        self._now = now
        self._lead: float | None = None
        self._last: str | None = None

    def read(self) -> float:
        """Return the server's time in Unix seconds; without any `Date`, the time here."""
        return self._now() if self._lead is None else self._clock() + self._lead

    def learn(self, headers: Headers) -> None:
        text = headers.get("Date")
        if text == self._last:
            return
        self._last = text
        date = server_time(headers)
        if date is None:
            return
        lead = date - self._clock()
        if self._lead is None or lead > self._lead or lead < self._lead - _CLOCK_STEP:
            self._lead = lead
