"""When a failed request is tried again: a policy, a budget, and a decision that is a pure function of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

if TYPE_CHECKING:
    from typing import Self

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods that may be sent twice (RFC 9110, section 9.2.2)."""

_SHARE_OF_JITTER = 0.1
_MOST_JITTER = 0.25


def is_number(value: object) -> bool:
    """Return whether the value is a finite number. A bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _at_least(
    lowest: float, *, whole: bool = False, excluded: bool = False
) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        kind = "an integer" if whole else "a finite number"
        if not is_number(value) or (whole and not isinstance(value, int)):
            msg = f"{attribute.name} must be {kind}, not {value!r}"
            raise TypeError(msg)
        if value < lowest or (excluded and value == lowest):
            msg = f"{attribute.name} must be {'above' if excluded else 'at least'} {lowest:g}, not {value!r}"
            raise ValueError(msg)

    return check


def _statuses(values: Collection[int]) -> frozenset[int]:
    statuses = tuple(values)  # once: it may be a generator
    if isinstance(values, str | bytes) or not all(isinstance(v, int) and not isinstance(v, bool) for v in statuses):
        msg = f"statuses must be a collection of integers, not {values!r}"
        raise TypeError(msg)
    return frozenset(map(int, statuses))


@attrs.frozen
class RetryPolicy:
    """What is tried again, how often, and after how long a wait.

    Connection errors, time-outs and the given statuses are retried, for idempotent methods. The wait is drawn evenly
    from zero to `initial * multiplier ** (attempt - 1)` seconds, at most `maximum` (exponential backoff with full
    jitter: the vendor's advice). A server that says when is obeyed, never early.

    Raises `TypeError` or `ValueError` for a value that makes no sense.
    """

    max_attempts: int = attrs.field(default=4, validator=_at_least(1, whole=True))
    """How many times a request is sent, the first included."""
    initial: float = attrs.field(default=0.5, validator=_at_least(0))
    """The longest wait after the first attempt, in seconds."""
    multiplier: float = attrs.field(default=2.0, validator=_at_least(1))
    """How much longer the longest wait gets with each attempt."""
    maximum: float = attrs.field(default=8.0, validator=_at_least(0))
    """The longest wait of the own backoff, in seconds."""
    max_elapsed: float = attrs.field(default=180.0, validator=_at_least(0, excluded=True))
    """Seconds for all attempts and waits together; the last attempt is cut off there."""
    max_retry_after: float = attrs.field(default=65.0, validator=_at_least(0))
    """The longest wait that a server may ask for, in seconds; more, and its error is raised at once."""
    statuses: Collection[int] = attrs.field(default=frozenset({408, 429, 500, 502, 503, 504}), converter=_statuses)
    """The HTTP statuses that are tried again."""

    @classmethod
    def none(cls) -> Self:
        """Return the policy that never tries again. `max_elapsed` is a day: the client's time-out alone bounds."""
        return cls(max_attempts=1, max_elapsed=86_400.0)

    def longest_wait(self, attempt: int) -> float:
        """Return the upper end of the own backoff after the attempt (from 1), in seconds."""
        try:
            return min(self.maximum, self.initial * self.multiplier ** (attempt - 1))
        except OverflowError:
            return self.maximum


class RetryBudget:
    """A token bucket that keeps the retries of many callers from multiplying the load on a server that is down.

    Each retry takes a token, each success gives back a part of one: a healthy server never feels it.
    """

    def __init__(self, capacity: float = 100.0, refill: float = 0.2) -> None:
        self._capacity = capacity
        self._refill = refill
        self.tokens: float = capacity
        """Retries that may be made right now."""

    def take(self) -> None:
        """Pay for a retry."""
        self.tokens -= 1

    def give_back(self) -> None:
        """Note a success."""
        if self.tokens < self._capacity:
            # Rounded, since five times a fifth is to make one, and floats add up to a little less.
            self.tokens = min(self._capacity, round(self.tokens + self._refill, 6))


class Outcome(NamedTuple):
    """How one attempt ended."""

    method: str
    status: int | None
    """The status that was answered, or `None` for a connection error or time-out."""
    stated_wait: float | None = None
    """Seconds that the server asked to wait."""

    @property
    def paced_by_server(self) -> bool:
        """Whether this is a healthy server's limit, with a time to come back at."""
        return self.status == 429 and bool(self.stated_wait)  # noqa: PLR2004  the status is the clearest name


class Retry(NamedTuple):
    """Try again after `wait` seconds."""

    wait: float


class Stop(NamedTuple):
    """Do not try again."""

    because: str


def decide(  # noqa: PLR0911  a ladder of reasons, each with its own way out
    policy: RetryPolicy,
    outcome: Outcome,
    *,
    attempt: int,
    elapsed: float,
    budget: float,
    draw: float,
) -> Retry | Stop:
    """Decide whether an attempt that ended with `outcome` is followed by another.

    `attempt` counts from 1, `elapsed` is in seconds since the first one began, `budget` is the number of retries that
    the budget has left, and `draw` a random number from 0 to 1.
    """
    if outcome.status is not None and outcome.status not in policy.statuses:
        return Stop(f"status {outcome.status} is not retried")
    if outcome.method not in IDEMPOTENT:
        return Stop(f"{outcome.method} may not be sent twice")
    if attempt >= policy.max_attempts:
        return Stop(f"max_attempts={policy.max_attempts} is reached")
    asked = outcome.stated_wait
    if asked is not None and asked > policy.max_retry_after:
        return Stop(f"the server asks for {asked:g} s, more than max_retry_after={policy.max_retry_after:g}")
    wait = _wait(policy, asked, attempt, draw)
    if elapsed + wait >= policy.max_elapsed:
        return Stop(f"max_elapsed={policy.max_elapsed:g} s would be passed")
    if budget < 1 and not outcome.paced_by_server:
        return Stop("the retry budget is spent")
    return Retry(wait)


def _wait(policy: RetryPolicy, asked: float | None, attempt: int, draw: float) -> float:
    if asked is None:
        return draw * policy.longest_wait(attempt)
    return asked + draw * min(_SHARE_OF_JITTER * asked, _MOST_JITTER)
