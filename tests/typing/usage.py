"""A program that uses every public name, as type checkers see it. It is checked, and never run."""

import copy
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar, assert_type

import aiohttp
import attrs

import techladder_async
from techladder_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncTechLadder,
    Attempt,
    AuthenticationError,
    BadRequestError,
    BatchStatus,
    CallBatch,
    ConfigurationError,
    Handler,
    Middleware,
    NotFoundError,
    Page,
    PaginationError,
    Paginator,
    PermissionDeniedError,
    RateLimitError,
    RateLimitMiddleware,
    Request,
    Response,
    ResponseDecodeError,
    RetryMiddleware,
    RetryPolicy,
    ServerError,
    StartMode,
    TechLadderError,
    ValidationError,
    WalkReport,
)
from techladder_async.hooks import AttemptRecord, Hook, log_attempt, notify
from techladder_async.models import converter
from techladder_async.pytest_plugin import techladder_client, techladder_sandbox
from techladder_async.sandbox import Clock, Fault, LoggedRequest, Sandbox

T = TypeVar("T")

assert_type(techladder_async.__version__, str)


# --- the client ---


async def client_in_all_its_forms(session: aiohttp.ClientSession) -> None:
    """Every option, and both ways to close."""
    async with AsyncTechLadder() as client:
        assert_type(client, AsyncTechLadder)
        assert_type(client.closed, bool)
    client = AsyncTechLadder(
        "sk_key",
        base_url="https://api.example.com",
        timeout=2.5,
        retry=RetryPolicy(max_attempts=2, initial=0, statuses=[503]),
        middlewares=[add_trace, Timing(), RetryMiddleware(RetryPolicy.none()), RateLimitMiddleware(max_wait=5)],
        session=session,
        hooks=[count_attempt, log_attempt, print],
        max_response_bytes=1024,
        allow_insecure=True,
    )
    assert_type(client.with_options(timeout=aiohttp.ClientTimeout(total=5), middlewares=()), AsyncTechLadder)
    assert_type(client.with_options(retry=RetryPolicy.none()), AsyncTechLadder)
    assert_type(await client.close(), None)


class MyClient(AsyncTechLadder):
    """A subclass stays itself."""

    async def active(self) -> list[CallBatch]:
        """Return the batches that run now."""
        return await self.call_batches.list(status=BatchStatus.ACTIVE).collect()


async def subclass_stays_itself() -> None:
    """`with_options` and `async with` keep the type."""
    async with MyClient() as client:
        assert_type(client, MyClient)
        assert_type(client.with_options(timeout=1), MyClient)
        assert_type(await client.with_options(timeout=1).active(), list[CallBatch])


# --- listings ---


async def listings(client: AsyncTechLadder, filters: Mapping[str, str]) -> None:
    """Every use of a paginator."""
    paginator = client.call_batches.list(
        agent_id="agt-57949b14", status="active", limit=20, page=2, max_items=100, prefetch=0, exact=True
    )
    assert_type(paginator, Paginator[CallBatch])
    async for batch in paginator:
        assert_type(batch, CallBatch)
    async for page in paginator.pages():
        assert_type(page, Page[CallBatch])
    assert_type([batch.progress async for batch in paginator], list[float])
    assert_type(await paginator, Page[CallBatch])
    assert_type(await paginator.collect(), list[CallBatch])
    assert_type(await paginator.first(), CallBatch | None)
    client.call_batches.list(status=BatchStatus.PENDING)
    client.call_batches.list(status="completed")
    client.call_batches.list(status=filters["status"], agent_id=filters.get("agent"))
    client.call_batches.list(status=None, agent_id=None, limit=None, max_items=None)


async def one_page(page: Page[CallBatch]) -> tuple[CallBatch, ...]:
    """Read a page's fields, and go to the next."""
    assert_type([batch for batch in page], list[CallBatch])  # noqa: C416  the loop's variable is the point
    assert_type((len(page), page.total, page.page, page.limit), tuple[int, int, int, int])
    assert_type(page.has_more, bool)
    if page.has_next_page():
        assert_type(await page.get_next_page(), Page[CallBatch])
    return page.items


def walk_report(paginator: Paginator[CallBatch]) -> int:
    """Read a report's fields."""
    report = paginator.report
    assert_type(report, WalkReport)
    assert_type(report.total, int | None)
    assert_type(report.settled, bool | None)
    return report.requests + report.pages + report.items + report.duplicates


async def generic_over_items(paginator: Paginator[T]) -> AsyncIterator[T]:
    """Keep the items' type in a helper of one's own."""
    async for item in paginator:
        yield item


# --- models ---


def batch_fields(batch: CallBatch) -> dict[str, Any]:
    """Every field and property."""
    texts = (batch.schedule_id, batch.agent_id, batch.agent_name, batch.version_id)
    assert_type(texts, tuple[str, str, str, str])
    numbers = (batch.total_contacts, batch.completed_contacts, batch.failed_contacts, batch.pending_contacts)
    assert_type(numbers, tuple[int, int, int, int])
    assert_type(batch.status, BatchStatus)
    assert_type(batch.start_mode, StartMode)
    assert_type(batch.scheduled_at, datetime | None)
    assert_type(batch.created_at, datetime)
    assert_type(batch.progress, float)
    assert_type(batch.is_finished, bool)
    assert_type(CallBatch.from_dict(batch.to_dict()), CallBatch)
    assert_type(converter.structure(batch.to_dict(), CallBatch), CallBatch)
    assert_type(attrs.evolve(batch, status=BatchStatus.FAILED), CallBatch)
    return batch.to_dict()


def open_enums(batch: CallBatch) -> str:
    """Take a status as an enum and as a string, also one that the SDK does not know."""
    assert_type(BatchStatus("paused").is_known, bool)
    if batch.status == "completed" or batch.start_mode == StartMode.MANUAL:
        return batch.status.upper()
    match batch.status:
        case BatchStatus.PENDING | BatchStatus.ACTIVE:
            return "open"
        case _:
            return batch.status


# --- errors ---


def every_error(error: TechLadderError) -> str:
    """Every class and attribute."""
    assert_type((error.method, error.url, error.page), tuple[str | None, str | None, int | None])
    assert_type(error.attempts, int)
    for attempt in error.history:
        assert_type(attempt, Attempt)
        assert_type((attempt.status, attempt.error, attempt.wait), tuple[int | None, str | None, float | None])
    match error:
        case APITimeoutError():
            timeout: TimeoutError = error
            return str(timeout)
        case ConfigurationError():
            value: ValueError = error
            return str(value)
        case APIConnectionError() | ResponseDecodeError() | PaginationError():
            return str(copy.copy(error))
        case APIStatusError():
            return status_error(error)
        case _:
            return str(error)


def status_error(error: APIStatusError) -> str:
    """Read what the API said."""
    assert_type(error.status_code, int)
    assert_type(error.code, str | None)
    assert_type(error.details, tuple[str, ...])
    assert_type(error.headers.get("x-request-id"), str | None)
    assert_type(error.retry_after, float | None)
    if isinstance(error, RateLimitError | ServerError):
        return "later"
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return "the key"
    if isinstance(error, BadRequestError | NotFoundError | ValidationError):
        return "the request"
    return error.message


# --- middlewares and hooks ---


async def add_trace(request: Request, handler: Handler) -> Response:
    """Add a header: a middleware as a function."""
    response = await handler(attrs.evolve(request, headers={**request.headers, "X-Trace": "1"}))
    assert_type((response.status, response.body, response.seconds), tuple[int, bytes, float])
    assert_type(response.headers.get("Content-Type"), str | None)
    assert_type(response.history, tuple[Attempt, ...])
    return response


class Timing:
    """A middleware as an object."""

    async def __call__(self, request: Request, handler: Handler) -> Response:
        """Pass on."""
        assert_type((request.method, request.path, request.page), tuple[str, str, int | None])
        assert_type((request.params, request.headers), tuple[Mapping[str, str], Mapping[str, str]])
        return await handler(request)


async def canned(request: Request) -> Response:
    """Answer without a network: a handler."""
    return Response(200, {"X-Path": request.path}, b"{}")


def count_attempt(record: AttemptRecord) -> None:
    """Show an attempt's facts: a hook."""
    facts = (record.method, record.path, record.page, record.attempt, record.status, record.error)
    assert_type(facts, tuple[str, str, int | None, int, int | None, str | None])
    logging.getLogger(__name__).info("%s, %.3f s, next in %s", facts, record.seconds, record.wait)
    notify(hooks[1:], record)


handler: Handler = canned
middlewares: list[Middleware] = [add_trace, Timing(), RetryMiddleware(), RateLimitMiddleware()]
hooks: tuple[Hook, ...] = (count_attempt, log_attempt)
policy = RetryPolicy(max_attempts=4, initial=0.5, multiplier=2, maximum=8, max_elapsed=180, max_retry_after=65)


# --- the sandbox and pytest ---


async def sandbox_in_all_its_forms(clock: Clock) -> None:
    """Both ways to serve, faults and the log."""
    async with Sandbox(500, seed=1, rate_limit=10, rate_window=1.5, latency=0.01, clock=clock) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type((sandbox.url, sandbox.api_key), tuple[str, str])
    with Sandbox(batches=3) as sandbox:
        sandbox.fail_next(Fault.status(503, headers={"Retry-After": "1"}), times=2)
        sandbox.fail_next(Fault.reset())
        sandbox.fail_share(Fault.cut_body(after=10), share=0.5, seed=2)
        for fault in (Fault.delay(0.1), Fault.drip(0.1, size=8)):
            sandbox.fail_next(fault)
        sandbox.clear_faults()
        added = sandbox.add_batch(status="active")
        assert_type(sandbox.update_batch(added["schedule_id"], status="failed"), dict[str, Any])
        sandbox.remove_batch(added["schedule_id"])
        assert_type(sandbox.batches, tuple[dict[str, Any], ...])
        assert_type(sandbox.advance(2), int)
        assert_type(sandbox.requests, list[LoggedRequest])
        assert_type(
            [(entry.query, entry.status) for entry in sandbox.requests], list[tuple[dict[str, str], int | None]]
        )


async def test_of_a_user(techladder_client: AsyncTechLadder, techladder_sandbox: Sandbox) -> None:
    """The fixtures give what their names say."""
    assert len(await techladder_client.call_batches.list()) == len(techladder_sandbox.batches)


fixtures: tuple[Callable[..., Iterator[AsyncTechLadder]], Callable[..., Iterator[Sandbox]]] = (
    techladder_client,
    techladder_sandbox,
)
