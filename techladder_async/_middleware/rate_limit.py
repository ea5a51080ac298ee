"""`RateLimitMiddleware`: a gate that keeps a client's requests within what the server says remains."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from .._backoff import is_number
from .._limits import FARTHEST_RESET, only, reset_time, retry_after, server_time, whole_number
from ..errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._wire import Handler, Headers, Request, Response

_SPREAD_PER_WAITER = 0.005
_SPREAD_OF_WAIT = 0.1
_WIDEST_SPREAD = 0.25
_CLOCK_STEP = 2.0
_TOO_MANY = 429


class RateLimitMiddleware:
    """Holds requests back until the rate limit's reset when nothing remains, instead of running into a 429.

    One instance is one gate, for all requests that pass it. It counts what it lets through against the lowest
    `X-RateLimit-Remaining` of the present window, so that requests in flight together do not overshoot; until a first
    answer has come it lets everything through. A reset that is past, unreadable or more than an hour ahead is ignored.
    One that is farther ahead than `max_wait` seconds, or than the request's deadline, raises `RateLimitError` at once.

    Raises `TypeError` or `ValueError` for a `max_wait` that makes no sense.
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
        self._max_wait = _checked(max_wait)
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._server_clock = _ServerClock(clock, now)
        self._limit_text: str | None = None
        """The latest `X-RateLimit-Limit`, to be read when a window ends."""
        self._lowest = 0
        """What remained of the present window by the latest count of the server's."""
        self._remaining: int | None = None
        """How many more requests fit the present window, those in flight counted; `None` until a response has said."""
        self._window = 0.0
        """The reset by which the server names the present window."""
        self._reset = 0.0
        """When requests may go on, in the server's time: the window's end, or what a 429 asked for."""
        self._in_flight = 0
        self._waiting = 0
        self._landing = asyncio.Event()

    async def __call__(self, request: Request, handler: Handler) -> Response:
        """Wait for the gate, send the request, and learn from the answer."""
        if self._remaining is not None and self._remaining <= 0:
            await self._wait_for_gate(request)
        if self._remaining is not None:
            self._remaining -= 1
        self._in_flight += 1
        try:
            response = await handler(request)
        finally:
            self._in_flight -= 1
            if self._waiting:
                self._wake()
        self._learn(response)
        return response

    def _wake(self) -> None:
        """Let whoever waits for a request in flight look again; they run after the answer has been learnt from."""
        self._landing.set()
        self._landing = asyncio.Event()

    # --- waiting ---

    async def _wait_for_gate(self, request: Request) -> None:
        self._waiting += 1
        try:
            while not self._may_pass():
                # Where the server itself said that nothing remains, waiting for those in flight would not help.
                if self._in_flight and self._lowest > 0:
                    await self._landing.wait()
                else:
                    await self._wait_for_reset(request)
        finally:
            self._waiting -= 1

    def _may_pass(self) -> bool:
        if self._remaining is not None and self._remaining <= 0 and self._server_clock.read() >= self._reset:
            # A new window. What is in flight may be counted in it.
            limit = whole_number(self._limit_text)
            self._lowest = limit or 1
            least = 0 if self._in_flight else 1  # nobody is to wait for a landing that never comes
            self._remaining = None if limit is None else max(least, limit - self._in_flight)
        return self._remaining is None or self._remaining > 0

    async def _wait_for_reset(self, request: Request) -> None:
        wait = self._reset - self._server_clock.read()
        # Those who wait together are let go one after another, not all in the same instant.
        spread = self._draw() * min(_WIDEST_SPREAD, _SPREAD_OF_WAIT * wait, _SPREAD_PER_WAITER * self._waiting)
        late = request.deadline is not None and self._clock() + wait + spread > request.deadline
        if late or wait > self._max_wait:
            msg = f"429: nothing remains of the rate limit for another {wait:.0f} s. Wait that long, or send less"
            raise RateLimitError(msg, status_code=429, code="RATE_LIMITED", retry_after=wait)
        await self._sleep(wait + spread)

    # --- learning ---

    def _learn(self, response: Response) -> None:
        headers = response.headers
        self._server_clock.learn(headers)
        now = self._server_clock.read()
        if response.status == _TOO_MANY:
            self._pause(headers, now)
            return
        remaining = whole_number(only(headers, "X-RateLimit-Remaining"))
        window = _within_an_hour(reset_time(headers), now)
        if remaining is None or window is None:
            return
        if self._remaining is not None and now < self._window:
            if window < self._window:
                return  # a late answer, of the window before
            if window == self._window:
                # Answers may come in another order than they were counted in: the lowest was counted last.
                remaining = min(remaining, self._lowest)
        self._reset = self._window = window
        self._limit_text = headers.get("X-RateLimit-Limit")
        self._lowest = remaining
        # The server may not have counted those in flight yet: never too many, and put right as they land.
        self._remaining = max(0, remaining - self._in_flight)

    def _pause(self, headers: Headers, now: float) -> None:
        """Hold everybody once, however many 429s come together."""
        wait = retry_after(headers, now)
        window = _within_an_hour(reset_time(headers), now)
        reset = window if wait is None else _within_an_hour(now + wait, now)
        if reset is None:
            return
        held = self._remaining is not None and self._lowest == 0 and now < self._reset
        self._reset = max(reset, self._reset) if held else reset
        self._window = max(window or 0.0, self._window, self._reset)
        self._lowest = self._remaining = 0


def _within_an_hour(moment: float | None, now: float) -> float | None:
    return moment if moment is not None and now < moment <= now + FARTHEST_RESET else None


def _checked(max_wait: float) -> float:
    if not is_number(max_wait):
        msg = f"max_wait must be a finite number of seconds, not {max_wait!r}"
        raise TypeError(msg)
    if max_wait < 0:
        msg = f"max_wait must be at least 0, not {max_wait!r}"
        raise ValueError(msg)
    return max_wait


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
