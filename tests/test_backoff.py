"""The decision to try again is a pure function, and keeps its promises for every input."""

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from techladder_async import RetryPolicy
from techladder_async._backoff import Outcome, Retry, RetryBudget, Stop, decide, is_number

seconds = st.floats(min_value=0, max_value=1e6)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(min_value=1, max_value=20),
    initial=seconds,
    multiplier=st.floats(min_value=1, max_value=1e6),
    maximum=seconds,
    max_elapsed=st.floats(min_value=0.001, max_value=1e6),
    max_retry_after=seconds,
    statuses=st.frozensets(st.integers(min_value=400, max_value=599), max_size=8),
)
methods = st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "CONNECT"])
outcomes = st.builds(
    Outcome,
    methods,
    status=st.none() | st.integers(min_value=400, max_value=599) | st.sampled_from([429, 503]),
    stated_wait=st.none() | seconds | st.just(0.0),
)
situations = st.fixed_dictionaries(
    {
        "attempt": st.integers(min_value=1, max_value=2000),
        "elapsed": seconds,
        "budget": st.floats(min_value=-5, max_value=100),
        "draw": st.floats(min_value=0, max_value=1),
    }
)
roomy = st.builds(
    RetryPolicy,
    max_attempts=st.integers(min_value=10, max_value=20),
    initial=st.floats(min_value=0, max_value=1000),
    multiplier=st.floats(min_value=1, max_value=1e6),
    maximum=st.floats(min_value=0, max_value=1000),
    max_elapsed=st.just(1e6),
    max_retry_after=st.just(1000.0),
)
calm = st.fixed_dictionaries(
    {
        "attempt": st.integers(min_value=1, max_value=9),
        "elapsed": st.floats(min_value=0, max_value=1e4),
        "budget": st.floats(min_value=1, max_value=100),
        "draw": st.floats(min_value=0, max_value=1),
    }
)
"""A policy and a situation in which whatever may be tried again is."""
DEFAULT: dict[str, Any] = {"attempt": 1, "elapsed": 0.0, "budget": 100.0, "draw": 0.5}


@given(policies, outcomes, situations)
def test_every_decision_keeps_the_bounds(policy: RetryPolicy, outcome: Outcome, situation: dict[str, Any]) -> None:
    """No retry is beyond the attempts, the elapsed time, the allowed wait, the method or the statuses."""
    decision = decide(policy, outcome, **situation)
    if isinstance(decision, Stop):
        assert decision.because
        return
    assert situation["attempt"] < policy.max_attempts
    assert situation["elapsed"] + decision.wait < policy.max_elapsed
    assert outcome.status is None or outcome.status in policy.statuses
    assert outcome.method not in {"POST", "PATCH", "CONNECT"}
    assert (outcome.stated_wait or 0) <= policy.max_retry_after
    assert situation["budget"] >= 1 or (outcome.status == 429 and outcome.stated_wait)


@given(roomy, st.sampled_from([429, 503]), st.floats(min_value=0, max_value=1000), calm)
def test_never_earlier_than_asked(policy: RetryPolicy, status: int, asked: float, situation: dict[str, Any]) -> None:
    """A wait that the server states is kept, with a tenth and a quarter of a second of jitter at the most."""
    decision = decide(policy, Outcome("GET", status, asked), **situation)
    assert isinstance(decision, Retry)
    assert asked <= decision.wait <= asked + min(asked * 0.1, 0.25)


@given(roomy, calm)
def test_the_own_wait_is_within_the_exponential(policy: RetryPolicy, situation: dict[str, Any]) -> None:
    """Where the server says nothing, the wait is between zero and the bound of the attempt, never above the maximum."""
    decision = decide(policy, Outcome("GET", None), **situation)
    assert isinstance(decision, Retry)
    assert 0 <= decision.wait <= policy.longest_wait(situation["attempt"]) <= policy.maximum
    assert decide(policy, Outcome("GET", None), **situation) == decision


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (5000, 8.0)]
)
def test_the_documented_backoff(attempt: int, longest: float) -> None:
    """The longest wait doubles from half a second to eight, and no number of attempts overflows."""
    assert RetryPolicy().longest_wait(attempt) == longest
    decisions = [
        decide(RetryPolicy(max_attempts=9999), Outcome("GET", 503), **{**DEFAULT, "attempt": attempt, "draw": draw})
        for draw in (0.0, 1.0)
    ]
    assert decisions == [Retry(0.0), Retry(longest)]


@pytest.mark.parametrize(
    ("outcome", "situation", "reason"),
    [
        (Outcome("GET", 404), {}, "status 404"),
        (Outcome("GET", 501), {}, "status 501"),
        (Outcome("POST", 503), {}, "POST may not be sent twice"),
        (Outcome("POST", 429, 1.0), {}, "POST may not be sent twice"),
        (Outcome("GET", None), {"attempt": 4}, "max_attempts=4"),
        (Outcome("GET", 429, 65.1), {}, "more than max_retry_after=65"),
        (Outcome("GET", 503, 60.0), {"elapsed": 120.0}, "max_elapsed=180"),
        (Outcome("GET", None), {"elapsed": 179.9}, "max_elapsed=180"),
        (Outcome("GET", None), {"budget": 0.9}, "budget is spent"),
        (Outcome("GET", 503, 1.0), {"budget": 0.9}, "budget is spent"),
        (Outcome("GET", 429, 0.0), {"budget": 0.9}, "budget is spent"),
        (Outcome("GET", 429), {"budget": 0.9}, "budget is spent"),
    ],
)
def test_a_stop_says_why(outcome: Outcome, situation: dict[str, Any], reason: str) -> None:
    """Each way to stop has a reason of its own."""
    decision = decide(RetryPolicy(), outcome, **{**DEFAULT, **situation})
    assert isinstance(decision, Stop)
    assert reason in decision.because


def test_a_stated_limit_costs_no_budget() -> None:
    """A 429 that says when to come back is the sign of a healthy server, and is obeyed with an empty budget too."""
    assert isinstance(decide(RetryPolicy(), Outcome("GET", 429, 5.0), **{**DEFAULT, "budget": 0.0}), Retry)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("max_attempts", 0, ValueError),
        ("max_attempts", 2.5, TypeError),
        ("max_attempts", True, TypeError),
        ("initial", -0.1, ValueError),
        ("initial", math.nan, TypeError),
        ("multiplier", 0.9, ValueError),
        ("maximum", math.inf, TypeError),
        ("maximum", "8", TypeError),
        ("max_elapsed", 0, ValueError),
        ("max_elapsed", -1, ValueError),
        ("max_elapsed", math.inf, TypeError),
        ("max_retry_after", None, TypeError),
        ("statuses", "429", TypeError),
        ("statuses", [True], TypeError),
        ("statuses", [429.0], TypeError),
    ],
)
def test_a_policy_that_makes_no_sense(name: str, value: object, kind: type[Exception]) -> None:
    """A value that is no such number is refused, by its name, when the policy is made."""
    with pytest.raises(kind, match=name):
        RetryPolicy(**{name: value})


def test_statuses_may_be_any_collection() -> None:
    """A list, a range or a set of integers will do, and a policy is a value that can be compared."""
    assert RetryPolicy(statuses=[503, 502]) == RetryPolicy(statuses={502, 503})
    assert 599 in RetryPolicy(statuses=range(500, 600)).statuses
    assert RetryPolicy.none().max_attempts == 1


@given(st.lists(st.booleans(), max_size=400))
def test_the_budget_is_between_empty_and_full(steps: list[bool]) -> None:
    """Tokens taken while there are any and given back by successes stay between zero and the capacity."""
    budget = RetryBudget()
    retries = successes = 0
    for success in steps:
        if success:
            budget.give_back()
            successes += 1
        elif budget.tokens >= 1:
            budget.take()
            retries += 1
        assert 0 <= budget.tokens <= 100
    assert retries <= 100 + successes * 0.2 + 1e-9


@pytest.mark.parametrize(
    ("value", "answer"), [(1, True), (0.5, True), (True, False), ("1", False), (math.nan, False), (-math.inf, False)]
)
def test_what_a_number_is(value: object, answer: bool) -> None:
    """A finite int or float is a number, and a bool is not."""
    assert is_number(value) is answer


def test_five_successes_are_one_retry_however_often() -> None:
    """A fifth of a retry for each success adds up to whole ones."""
    budget = RetryBudget()
    for _ in range(100):
        budget.take()
    for retries in range(1, 20):
        for _ in range(5):
            budget.give_back()
        assert budget.tokens >= retries


def test_statuses_from_a_generator() -> None:
    """A policy reads its statuses once, so that a generator is as good as a list."""
    assert RetryPolicy(statuses=(status for status in (500, 503))).statuses == {500, 503}  # type: ignore[arg-type]
