"""`RetryMiddleware`: the one place that sleeps between attempts."""

from __future__ import annotations

import asyncio
import random
import time
from operator import attrgetter
from typing import TYPE_CHECKING

import attrs

from .._backoff import Outcome, Retry, RetryBudget, RetryPolicy, Stop, decide
from .._limits import stated_wait
from .._wire import Attempt, Response
from ..errors import APIConnectionError, RateLimitError, TechLadderError
from ..hooks import AttemptRecord, any_listens, notify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .._wire import Handler, Request
    from ..hooks import Hook


_FIRST_ERROR = 400


class RetryMiddleware:
    """Tries a request again as a `RetryPolicy` says, and reports each attempt to the hooks.

    It returns the last response, whatever its status, or raises the last connection error; both carry the history of
    the attempts. A budget may be shared by several of these; without one, each has its own. `url` says what a request's
    URL is, for the hooks; the other arguments are for tests.
    """

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        budget: RetryBudget | None = None,
        hooks: Iterable[Hook] = (),
        url: Callable[[Request], str] = attrgetter("path"),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = RetryPolicy() if policy is None else policy
        if not isinstance(self._policy, RetryPolicy):
            msg = f"policy must be a RetryPolicy, not {type(policy).__name__}"
            raise TypeError(msg)
        self._budget = RetryBudget() if budget is None else budget
        self._hooks = tuple(hooks)
        self._url = url
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._draw = draw

    async def __call__(self, request: Request, handler: Handler) -> Response:
        """Send the request until it succeeds or the policy says stop."""
        started = began = self._clock()
        # `max_elapsed` is for all attempts together, the last one's own time included.
        request = request.until(started + self._policy.max_elapsed)
        history: tuple[Attempt, ...] = ()
        while True:
            try:
                result: Response | TechLadderError = await handler(request)
            except TechLadderError as error:
                result = error
            if isinstance(result, RateLimitError):  # the gate's: nothing was sent
                try:
                    raise _stamped(result, history)
                finally:
                    del result  # an error's traceback leads here: a cycle otherwise
            ended = self._clock()
            decision = self._decide(result, request.method, len(history) + 1, ended - started)
            wait = decision.wait if isinstance(decision, Retry) else None
            heard = any_listens(self._hooks, wait)
            if heard or history or decision is not None:  # else it succeeded at once, and has none
                history = (*history, _attempt(result, wait))
            if heard:
                stop = decision.because if isinstance(decision, Stop) else None
                url = self._url(request)
                notify(self._hooks, _record(request, result, history, url=url, seconds=ended - began, stop=stop))
            if wait is None:
                try:
                    return _finished(result, history)
                finally:
                    del result  # likewise
            del result  # likewise, should the wait be cancelled
            await self._sleep(wait)
            began = self._clock()

    def _decide(
        self, result: Response | TechLadderError, method: str, attempt: int, elapsed: float
    ) -> Retry | Stop | None:
        """Return what follows the attempt, and pay for it; `None` after a success."""
        outcome = self._failure(result, method)
        if outcome is None or isinstance(outcome, Stop):
            return outcome
        decision = decide(
            self._policy, outcome, attempt=attempt, elapsed=elapsed, budget=self._budget.tokens, draw=self._draw()
        )
        if isinstance(decision, Retry) and not outcome.paced_by_server:
            self._budget.take()
        return decision

    def _failure(self, result: Response | TechLadderError, method: str) -> Outcome | Stop | None:
        if isinstance(result, Response):
            if result.status < _FIRST_ERROR and result.status not in self._policy.statuses:
                self._budget.give_back()
                return None
            return Outcome(method, result.status, stated_wait(result.status, result.headers, self._now()))
        if isinstance(result, RuntimeError):
            return Stop("the session is closed")
        if isinstance(result, APIConnectionError):
            return Outcome(method, status=None)
        return Stop(f"{type(result).__name__} would only come again")


def _attempt(result: Response | TechLadderError, wait: float | None) -> Attempt:
    if isinstance(result, Response):
        return Attempt(result.status, None, wait)
    return Attempt(None, f"{type(result).__name__}: {result.args[0]}", wait)


def _record(
    request: Request,
    result: Response | TechLadderError,
    history: tuple[Attempt, ...],
    *,
    url: str,
    seconds: float,
    stop: str | None,
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
        url=url,
        detail=None if isinstance(result, Response) else str(result.args[0]),
        stop=stop,
    )


def _finished(result: Response | TechLadderError, history: tuple[Attempt, ...]) -> Response:
    """Return the response, or raise the error, with the history of the attempts on it."""
    if isinstance(result, Response):
        return attrs.evolve(result, history=history) if len(history) > 1 else result
    try:
        raise _stamped(result, history)
    finally:
        del result


def _stamped(error: TechLadderError, history: tuple[Attempt, ...]) -> TechLadderError:
    error.attempts = len(history)
    error.history = history
    return error
