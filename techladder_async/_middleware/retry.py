"""`RetryMiddleware`: the one place that sleeps between attempts."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import attrs

from .._backoff import Outcome, Retry, RetryBudget, RetryPolicy, decide
from .._limits import stated_wait
from .._wire import Attempt, Response
from ..errors import APIConnectionError, RateLimitError, TechLadderError
from ..hooks import AttemptRecord, notify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .._wire import Handler, Request
    from ..hooks import Hook


class RetryMiddleware:
    """Tries a request again as a `RetryPolicy` says, and reports each attempt to the hooks.

    It returns the last response, whatever its status, or raises the last connection error; both carry the history of
    the attempts. A budget may be shared by several of these; without one, each has its own.
    """

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        budget: RetryBudget | None = None,
        hooks: Iterable[Hook] = (),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = RetryPolicy() if policy is None else policy
        self._budget = RetryBudget() if budget is None else budget
        self._hooks = tuple(hooks)
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._draw = draw

    async def __call__(self, request: Request, handler: Handler) -> Response:
        """Send the request until it succeeds or the policy says stop."""
        started = began = self._clock()
        request = self._bounded(request, started)
        history: tuple[Attempt, ...] = ()
        while True:
            result = await _result(request, handler)
            if isinstance(result, RateLimitError):  # the gate's: nothing was sent
                raise _stamped(result, history)
            ended = self._clock()
            wait = self._wait_after(result, request.method, len(history) + 1, ended - started)
            history = (*history, _attempt(result, wait))
            if self._hooks:
                notify(self._hooks, _record(request, result, history, ended - began))
            if wait is None:
                return _finished(result, history)
            await self._sleep(wait)
            began = self._clock()

    def _bounded(self, request: Request, started: float) -> Request:
        """Return the request with the instant by which `max_elapsed` wants its last attempt to have ended."""
        deadline = started + self._policy.max_elapsed
        if request.deadline is not None and request.deadline <= deadline:
            return request
        return attrs.evolve(request, deadline=deadline)

    def _wait_after(
        self, result: Response | TechLadderError, method: str, attempt: int, elapsed: float
    ) -> float | None:
        """Return the seconds to wait before the next attempt and pay for it, or `None` where none follows."""
        outcome = self._failure(result, method)
        if outcome is None:
            return None
        decision = decide(
            self._policy, outcome, attempt=attempt, elapsed=elapsed, budget=self._budget.tokens, draw=self._draw()
        )
        if not isinstance(decision, Retry):
            return None
        if not outcome.paced_by_server:
            self._budget.take()
        return decision.wait

    def _failure(self, result: Response | TechLadderError, method: str) -> Outcome | None:
        """Return what may be tried again, or `None`: an answer to keep, or an error that would only come again."""
        if not isinstance(result, Response):
            return Outcome(method, status=None) if isinstance(result, APIConnectionError) else None
        if result.status not in self._policy.statuses:
            self._budget.give_back()
            return None
        return Outcome(method, result.status, stated_wait(result.status, result.headers, self._now()))


async def _result(request: Request, handler: Handler) -> Response | TechLadderError:
    try:
        return await handler(request)
    except TechLadderError as error:
        return error


def _attempt(result: Response | TechLadderError, wait: float | None) -> Attempt:
    if isinstance(result, Response):
        return Attempt(result.status, None, wait)
    return Attempt(None, f"{type(result).__name__}: {result.args[0]}", wait)


def _record(
    request: Request, result: Response | TechLadderError, history: tuple[Attempt, ...], seconds: float
) -> AttemptRecord:
    answered = isinstance(result, Response)
    return AttemptRecord(
        request.method,
        request.path,
        request.page,
        attempt=len(history),
        status=history[-1].status,
        error=None if answered else type(result).__name__,
        seconds=result.seconds if isinstance(result, Response) else seconds,
        wait=history[-1].wait,
    )


def _finished(result: Response | TechLadderError, history: tuple[Attempt, ...]) -> Response:
    """Return the response, or raise the error, with the history of the attempts on it."""
    if isinstance(result, Response):
        return result if len(history) == 1 else attrs.evolve(result, history=history)
    raise _stamped(result, history)


def _stamped(error: TechLadderError, history: tuple[Attempt, ...]) -> TechLadderError:
    error.attempts = len(history)
    error.history = history
    return error
