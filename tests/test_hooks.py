"""Hooks see every attempt, the log says what happened, and neither can disturb a walk."""

import logging
import pickle
from typing import Any

import attrs
import pytest

from techladder_async import (
    APITimeoutError,
    AsyncTechLadder,
    ConfigurationError,
    RetryMiddleware,
    RetryPolicy,
    TechLadderError,
)
from techladder_async._middleware import compose
from techladder_async.hooks import AttemptRecord, log_attempt, notify
from tests.clients import client_for
from tests.clock import FakeClock
from tests.fault_server import FaultServer
from tests.faults import OK, batch, error, page, reset
from tests.test_retry import GET, Script, answer

PATH = "/api/v1/public/call-batches"


def record(**changes: Any) -> AttemptRecord:
    """Give a record of a success, but for the changes."""
    usual = {"attempt": 1, "status": 200, "error": None, "seconds": 0.125, "wait": None}
    return AttemptRecord("GET", PATH, 3, **{**usual, **changes})


@pytest.mark.asyncio
async def test_each_attempt_is_reported_to_each_hook() -> None:
    """Every hook gets a record of every attempt, in order, with what it was and how it ended."""
    first: list[AttemptRecord] = []
    second: list[AttemptRecord] = []
    async with (
        FaultServer(reset(), error(503), page(page=2)) as server,
        client_for(server.url, hooks=[first.append, second.append]) as client,
    ):
        await client.call_batches.list(page=2, limit=5)
    assert first == second
    assert [each.attempt for each in first] == [1, 2, 3]
    assert [each.status for each in first] == [None, 503, 200]
    assert [each.error for each in first] == ["APIConnectionError", None, None]
    assert [each.wait for each in first] == [0, 0, None]
    assert first[0].detail is not None
    assert first[0].detail.startswith("no usable answer")
    assert {(each.method, each.path, each.page) for each in first} == {("GET", PATH, 2)}
    assert {each.url for each in first} == {f"{server.url}{PATH}?limit=5&page=2"}
    assert all(0 <= each.seconds < 1 for each in first)
    assert {each.stop for each in first} == {None}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("result", "stop"),
    [
        (answer(404), "status 404 is not retried"),
        (answer(429, Retry_After="100"), "the server asks for 100 s, more than max_retry_after=65"),
        (TechLadderError("odd"), "TechLadderError would only come again"),
    ],
)
async def test_a_record_says_why_no_other_attempt_follows(result: Any, stop: str) -> None:
    """A failure that is not tried again comes with the reason."""
    records: list[AttemptRecord] = []
    clock = FakeClock()
    send = compose([RetryMiddleware(hooks=[records.append], clock=clock.monotonic)], Script(clock, result))
    try:
        await send(GET)
    except TechLadderError as raised:
        assert raised is result  # noqa: PT017  only one of the cases raises
    assert [each.stop for each in records] == [stop]
    assert [each.wait for each in records] == [None]


@pytest.mark.asyncio
async def test_the_seconds_are_those_of_the_attempt() -> None:
    """Waits between the attempts are not counted as theirs."""
    records: list[AttemptRecord] = []
    clock = FakeClock()
    script = Script(clock, APITimeoutError("late"), APITimeoutError("late"), answer(), seconds=3.0)
    middleware = RetryMiddleware(
        hooks=[records.append], clock=clock.monotonic, now=clock.time, sleep=clock.sleep, draw=lambda: 1.0
    )
    await compose([middleware], script)(GET)
    assert [each.seconds for each in records[:2]] == [3.0, 3.0]
    assert [each.wait for each in records] == [0.5, 1.0, None]


@pytest.mark.asyncio
async def test_a_hook_that_fails_does_not_end_the_walk(caplog: pytest.LogCaptureFixture) -> None:
    """A walk goes on when a hook raises; the log says which one did, and the other hooks are called."""
    seen: list[AttemptRecord] = []

    def broken(_: AttemptRecord) -> None:
        raise ZeroDivisionError

    async with (
        FaultServer(page([batch(1)], has_more=True), page([batch(2)], 2)) as server,
        client_for(server.url, hooks=[broken, seen.append]) as client,
    ):
        assert len(await client.call_batches.list(prefetch=0).collect()) == 2
    assert len(seen) == 2
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "broken" in errors[0].getMessage()


def test_a_record_is_a_frozen_value() -> None:
    """A record can be compared, pickled and kept, and not changed."""
    assert record() == record()
    assert pickle.loads(pickle.dumps(record())) == record()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record().attempt = 2  # type: ignore[misc]  # the mistake under test


@pytest.mark.parametrize("hooks", [[1], "hook", 7, [None]])
def test_what_cannot_be_called_is_refused(hooks: Any) -> None:
    """A hook that is none is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="hooks"):
        AsyncTechLadder("sk_x", hooks=hooks)


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({}, "DEBUG", f"GET {PATH} page 3: attempt 1 took 0.125 s: 200"),
        (
            {"status": 503, "wait": 0.5},
            "WARNING",
            f"GET {PATH} page 3: attempt 1 took 0.125 s: 503; tried again in 0.50 s",
        ),
        (
            {"status": None, "error": "APITimeoutError", "detail": "too late", "wait": 1.0},
            "WARNING",
            f"GET {PATH} page 3: attempt 1 took 0.125 s: APITimeoutError: too late; tried again in 1.00 s",
        ),
        (
            {"status": 404, "stop": "status 404 is not retried"},
            "DEBUG",
            f"GET {PATH} page 3: attempt 1 took 0.125 s: 404; not tried again: status 404 is not retried",
        ),
    ],
)
def test_the_log(changes: dict[str, Any], level: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each request has a line at DEBUG, and each retry one at WARNING with its reason and its wait."""
    caplog.set_level(logging.DEBUG, logger="techladder_async")
    log_attempt(record(**changes))
    assert [(each.name, each.levelname, each.getMessage()) for each in caplog.records] == [
        ("techladder_async", level, text)
    ]


@pytest.mark.asyncio
async def test_the_log_is_silent_unless_somebody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    """With logging as Python has it from the start, nothing is written, not even for a retry."""
    logger = logging.getLogger("techladder_async")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        async with FaultServer(error(503), OK) as server, client_for(server.url) as client:
            await client.call_batches.list()
    finally:
        root.handlers = handlers
    assert capfd.readouterr() == ("", "")


def test_what_no_program_should_catch_goes_through() -> None:
    """A hook's `SystemExit` or `KeyboardInterrupt` is not swallowed."""

    def leaving(_: AttemptRecord) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        notify([leaving], record())


@pytest.mark.asyncio
async def test_derived_clients_report_to_the_same_hooks() -> None:
    """What `with_options` gives reports its attempts to the original's hooks."""
    records: list[AttemptRecord] = []
    async with FaultServer(OK) as server, client_for(server.url, hooks=[records.append]) as client:
        await client.with_options(retry=RetryPolicy.none()).call_batches.list()
    assert len(records) == 1
