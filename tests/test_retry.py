"""`RetryMiddleware`: it sleeps as decided, keeps its bounds, and tells what it did."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from techladder_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Attempt,
    Handler,
    RateLimitError,
    Request,
    Response,
    ResponseDecodeError,
    RetryMiddleware,
    RetryPolicy,
    ServerError,
    TechLadderError,
)
from techladder_async._backoff import RetryBudget
from techladder_async._middleware import compose
from tests.clients import AT_ONCE, client_for
from tests.clock import FakeClock
from tests.fault_server import FaultServer, refused_url
from tests.faults import OK, Answer, Step, cut, delay, error, hang, page, reset

GET = Request("GET", "/list")


def answer(status: int = 200, **headers: str) -> Response:
    """Give a response; `retry_after="1"` is its `Retry-After`."""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")


class Script:
    """A handler that answers, or raises, in this order; each attempt takes `seconds` of the clock."""

    def __init__(self, clock: FakeClock, *results: Response | Exception, seconds: float = 0.0) -> None:
        self.clock = clock
        self.results = list(results)
        self.seconds = seconds
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        self.clock.advance(self.seconds)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result


def retrying(clock: FakeClock, policy: RetryPolicy | None = None, **options: Any) -> RetryMiddleware:
    """Give the middleware with this clock, whose backoff always draws the longest wait."""
    times = {"clock": clock.monotonic, "now": clock.time, "sleep": clock.sleep, "draw": lambda: 1.0}
    return RetryMiddleware(policy, **{**times, **options})


async def outcome(call: Awaitable[Response]) -> Response | TechLadderError:
    """Return what comes, as a value."""
    try:
        return await call
    except TechLadderError as raised:
        return raised


@pytest.mark.asyncio
async def test_it_waits_as_the_policy_says() -> None:
    """Three failures are followed by three waits of the exponential backoff, and then by the answer."""
    clock = FakeClock()
    script = Script(clock, APIConnectionError("no"), answer(503), APITimeoutError("late"), answer())
    response = await retrying(clock)(GET, script)
    assert clock.slept == [0.5, 1.0, 2.0]
    assert response.status == 200
    assert response.history == (
        Attempt(None, "APIConnectionError: no", 0.5),
        Attempt(503, None, 1.0),
        Attempt(None, "APITimeoutError: late", 2.0),
        Attempt(200, None, None),
    )


@pytest.mark.asyncio
async def test_a_stated_wait_is_kept_exactly_or_a_little_longer() -> None:
    """A stated wait replaces the own one: never shorter, a quarter of a second longer at the most; zero is at once."""
    clock = FakeClock()
    script = Script(clock, answer(429, Retry_After="30"), answer(503, Retry_After="0"), answer())
    await retrying(clock)(GET, script)
    assert clock.slept == [30.25, 0.0]


@pytest.mark.asyncio
async def test_the_first_success_is_passed_on_as_it_is() -> None:
    """A request that succeeds at once leaves no history and no wait."""
    clock = FakeClock()
    whole = answer()
    assert await retrying(clock)(GET, Script(clock, whole)) is whole
    assert clock.slept == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("result", "method", "sent"),
    [
        (answer(404), "GET", 1),
        (answer(501), "GET", 1),
        (answer(302), "GET", 1),
        (answer(503), "POST", 1),
        (APIConnectionError("no"), "POST", 1),
        (APIConnectionError("no"), "DELETE", 4),
        (ResponseDecodeError("too large"), "GET", 1),
    ],
)
async def test_what_is_tried_again(result: Response | Exception, method: str, sent: int) -> None:
    """Only listed statuses and connection errors are tried again, and only with methods that may be sent twice."""
    clock = FakeClock()
    script = Script(clock, result)
    last = await outcome(retrying(clock)(Request(method, "/"), script))
    assert len(script.requests) == sent
    if not isinstance(last, Response):
        assert last.attempts == len(last.history) == sent


@pytest.mark.asyncio
@pytest.mark.parametrize("bug", [ZeroDivisionError(), RuntimeError("closed"), ValueError("bad"), OSError("raw")])
async def test_programming_errors_are_not_tried_again(bug: Exception) -> None:
    """What is no error of the SDK's passes through at once."""
    clock = FakeClock()
    script = Script(clock, bug)
    with pytest.raises(type(bug)):
        await retrying(clock)(GET, script)
    assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_no_sleep_passes_max_elapsed() -> None:
    """With attempts of 4 s and 10 s in all, the wait that would not leave time is not begun."""
    clock = FakeClock()
    started = clock.monotonic()
    script = Script(clock, answer(503), seconds=4.0)
    policy = RetryPolicy(max_attempts=99, initial=1, multiplier=1, max_elapsed=10)
    response = await retrying(clock, policy)(GET, script)
    assert clock.slept == [1.0]
    assert clock.monotonic() - started == 9.0
    assert [attempt.wait for attempt in response.history] == [1.0, None]
    assert {request.deadline for request in script.requests} == {started + 10}


@pytest.mark.asyncio
async def test_an_earlier_deadline_is_kept() -> None:
    """A deadline that the request has already is never moved back."""
    clock = FakeClock()
    script = Script(clock, answer())
    await retrying(clock)(Request("GET", "/", deadline=clock.monotonic() + 1), script)
    assert script.requests[0].deadline == clock.monotonic() + 1


@pytest.mark.asyncio
async def test_cancelling_while_it_backs_off_is_prompt() -> None:
    """A cancellation in the wait is passed on at once, and nothing more is sent."""
    clock = FakeClock()
    script = Script(clock, answer(503))
    call = asyncio.ensure_future(retrying(clock, sleep=asyncio.sleep)(GET, script))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not call.done()
    call.cancel()
    await asyncio.wait([call], timeout=0.1)
    assert call.cancelled()
    assert len(script.requests) == 1


@pytest.mark.asyncio
async def test_a_gate_that_refuses_is_no_attempt() -> None:
    """A `RateLimitError` that is raised inside, where nothing was sent, is passed on with the attempts before it."""
    clock = FakeClock()
    script = Script(clock, answer(503), RateLimitError("429: not now", status_code=429, retry_after=90))
    with pytest.raises(RateLimitError) as caught:
        await retrying(clock)(GET, script)
    assert caught.value.attempts == 1
    assert caught.value.history == (Attempt(503, None, 0.5),)


def test_a_policy_of_another_kind_is_refused() -> None:
    """What is no policy is refused when the middleware is made, not with the first failure."""
    with pytest.raises(TypeError, match="RetryPolicy"):
        RetryMiddleware(3)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.asyncio
async def test_a_chain_of_ones_own() -> None:
    """The middleware works in a chain that somebody else put together, with a budget of its own."""
    clock = FakeClock()
    script = Script(clock, answer(500), answer())
    response = await compose([retrying(clock)], script)(GET)
    assert [attempt.status for attempt in response.history] == [500, 200]


# --- on real sockets ---


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("step", "kind", "history"),
    [
        (error(503), ServerError, [(503, None)] * 4),
        (reset(), APIConnectionError, [(None, "APIConnectionError")] * 4),
        (cut(9), APIConnectionError, [(None, "APIConnectionError")] * 4),
    ],
)
async def test_the_last_error_has_all_attempts(
    step: Step, kind: type[TechLadderError], history: list[tuple[int | None, str | None]]
) -> None:
    """When the attempts are spent, the error has their number, and each one's outcome and wait."""
    async with FaultServer(step, repeat_last=True) as server, client_for(server.url) as client:
        with pytest.raises(kind) as caught:
            await client.call_batches.list()
    assert caught.value.attempts == len(server.requests) == 4
    seen = [(a.status, a.error.partition(":")[0] if a.error else None) for a in caught.value.history]
    assert seen == history
    assert [attempt.wait for attempt in caught.value.history] == [0, 0, 0, None]
    assert "after 4 attempts" in str(caught.value)


@pytest.mark.asyncio
async def test_a_timeout_has_its_attempts() -> None:
    """Each attempt has the whole time-out for itself, and the error counts them."""
    policy = RetryPolicy(initial=0, max_attempts=2)
    async with (
        FaultServer(hang(), repeat_last=True) as server,
        client_for(server.url, retry=policy, timeout=0.2) as client,
    ):
        with pytest.raises(APITimeoutError) as caught:
            await client.call_batches.list()
    assert caught.value.attempts == len(server.requests) == 2
    assert all(attempt.error and "within 0.2" in attempt.error for attempt in caught.value.history)


@pytest.mark.asyncio
async def test_nothing_is_left_of_a_success() -> None:
    """After a retry that succeeds, the page is a page like any other."""
    async with FaultServer(reset(), error(500), OK) as server, client_for(server.url) as client:
        first = await client.call_batches.list()
    assert len(first.items) == 1
    assert len(server.requests) == 3


@pytest.mark.asyncio
async def test_max_elapsed_cuts_the_last_attempt_off() -> None:
    """An attempt gets no more time than what is left of `max_elapsed`, whatever its own time-out."""
    policy = RetryPolicy(initial=0, max_elapsed=0.15)
    started = asyncio.get_running_loop().time()
    async with (
        FaultServer(delay(0.05, error(503)), hang()) as server,
        client_for(server.url, retry=policy, timeout=30) as client,
    ):
        with pytest.raises(APITimeoutError) as caught:
            await client.call_batches.list()
        assert 0.14 < asyncio.get_running_loop().time() - started < 0.5
    assert [attempt.status for attempt in caught.value.history] == [503, None]


async def _call_together(call: Callable[[], Awaitable[object]], times: int) -> list[object]:
    return await asyncio.gather(*(call() for _ in range(times)), return_exceptions=True)


@pytest.mark.asyncio
async def test_a_dead_server_is_not_hit_at_full_retry_strength() -> None:
    """Of 200 callers together, a server that is down sees 100 retries in all, not 600."""
    async with FaultServer(error(503), repeat_last=True) as server, client_for(server.url, timeout=10) as client:
        outcomes = await _call_together(lambda: _page(client), 200)
        assert len(server.requests) == 300
        assert {type(each) for each in outcomes} == {ServerError}
        # The budget is still spent: whoever comes now is not tried again.
        await _call_together(lambda: _page(client), 20)
        assert len(server.requests) == 320


@pytest.mark.asyncio
async def test_a_refused_port_is_not_knocked_at_for_ever() -> None:
    """Of 200 callers together, a port on which nothing listens sees 100 retries in all."""
    async with client_for(refused_url(), timeout=10) as client:
        outcomes = await _call_together(lambda: _page(client), 200)
    assert {type(each) for each in outcomes} == {APIConnectionError}
    assert sum(each.attempts for each in outcomes if isinstance(each, TechLadderError)) == 300


@pytest.mark.asyncio
async def test_a_healthy_server_never_feels_the_budget() -> None:
    """With one failure among eight answers, a thousand requests in a row are all answered."""
    clock = FakeClock()
    budget = RetryBudget()
    middleware = retrying(clock, AT_ONCE, budget=budget)
    for number in range(1000):
        results = [answer(503), answer()] if number % 7 == 0 else [answer()]
        assert (await middleware(GET, Script(clock, *results))).status == 200
    assert budget.tokens > 99


@pytest.mark.asyncio
async def test_stated_waits_cost_no_budget() -> None:
    """A 429 that says when to come back is obeyed however many there are; one that does not is paid for."""
    clock = FakeClock()
    budget = RetryBudget(capacity=1)
    middleware = retrying(clock, budget=budget)
    for _ in range(10):
        assert (await middleware(GET, Script(clock, answer(429, Retry_After="2"), answer()))).status == 200
    assert budget.tokens == 1
    assert (await middleware(GET, Script(clock, answer(429), answer(429), answer()))).status == 429


@pytest.mark.asyncio
async def test_clients_of_one_family_share_the_budget() -> None:
    """What `with_options` gives draws on the same budget."""
    async with FaultServer(error(503), repeat_last=True) as server, client_for(server.url, timeout=10) as client:
        await _call_together(lambda: _page(client), 100)
        await _call_together(lambda: _page(client.with_options(timeout=9)), 100)
    assert len(server.requests) == 300


async def _page(client: Any) -> object:
    return await client.call_batches.list()


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_the_listed_statuses_are_tried_again(status: int) -> None:
    """Each of the documented statuses is tried again, and a page is the end of it."""
    async with FaultServer(error(status), page()) as server, client_for(server.url) as client:
        assert len(await client.call_batches.list()) == 0
    assert len(server.requests) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501, 505])
async def test_the_other_statuses_are_not(status: int) -> None:
    """Any other error is raised with its first answer."""
    async with FaultServer(Answer(b"", status)) as server, client_for(server.url) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.call_batches.list()
    assert caught.value.status_code == status
    assert caught.value.history == (Attempt(status, None, None),)
    assert len(server.requests) == 1


@pytest.mark.asyncio
async def test_an_end_in_mid_backoff_keeps_nothing_alive() -> None:
    """The error that is waited after is gone with a cancelled wait, not when the collector comes."""
    seen: list[weakref.ref[APIConnectionError]] = []
    waiting = asyncio.Event()

    def failure() -> APIConnectionError:
        error = APIConnectionError("reset")
        seen.append(weakref.ref(error))
        return error

    async def fail(_: Request) -> Response:
        raise failure()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    gc.disable()
    try:
        task = asyncio.ensure_future(compose([RetryMiddleware(sleep=sleep)], fail)(GET))
        await waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        del task
        assert [error() for error in seen] == [None]
    finally:
        gc.enable()


@pytest.mark.asyncio
async def test_a_handler_can_be_made_a_task() -> None:
    """What a middleware is handed gives a coroutine, also where the next middleware is a plain function."""

    async def as_task(request: Request, handler: Handler) -> Response:
        return await asyncio.create_task(handler(request))  # type: ignore[arg-type]  # an awaitable, by its type

    def as_future(request: Request, handler: Handler) -> Awaitable[Response]:
        return asyncio.ensure_future(handler(request))

    async def send(_: Request) -> Response:
        return answer()

    for chain in ([as_task], [as_task, as_future], [as_future, as_task], [as_task, RetryMiddleware()]):
        assert (await compose(chain, send)(GET)).status == 200
