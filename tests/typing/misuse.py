"""Mistakes that a type checker must find: where it finds none, the comment on the line is the error."""

from collections.abc import Awaitable

import techladder_async
from techladder_async import AsyncTechLadder, BatchStatus, CallBatch, Page, Request, Response, RetryPolicy, StartMode
from techladder_async.hooks import AttemptRecord


async def mistakes(client: AsyncTechLadder, batch: CallBatch, page: Page[CallBatch]) -> None:
    """Everything in here is wrong."""
    client.call_batches.list("active")  # type: ignore[call-arg]  # keywords only
    client.call_batches.list(limit="20")  # type: ignore[arg-type]  # a number is no string
    client.call_batches.list(page=None)  # type: ignore[arg-type]  # a walk begins somewhere
    client.call_batches.list(status=StartMode.MANUAL, state=1)  # type: ignore[call-arg]  # there is no such filter
    client.call_batches.list(status=3)  # type: ignore[arg-type]  # a status is text
    for _ in client.call_batches.list():  # type: ignore[attr-defined]  # a walk is asynchronous
        break
    with client:  # type: ignore[attr-defined]  # and so is the client
        pass
    str((await client.call_batches.list()).schedule_id)  # type: ignore[attr-defined]  # a page is no batch
    str((await client.call_batches.list().first()).schedule_id)  # type: ignore[union-attr]  # there may be none
    batch.status = BatchStatus.ACTIVE  # type: ignore[misc]  # values are frozen
    page.items.append(batch)  # type: ignore[attr-defined]  # a page's items are a tuple
    batch.scheduled_at.isoformat()  # type: ignore[union-attr]  # not every batch is scheduled
    str(batch.scheduled)  # type: ignore[attr-defined]  # a name that is not there
    RetryPolicy(attempts=3)  # type: ignore[call-arg]  # it is called max_attempts


async def takes_no_handler(request: Request) -> Response:
    """Answer, which is not what a middleware does."""
    raise NotImplementedError(request)


async def returns_a_status(request: Request, handler: object) -> int:
    """Return what is not a `Response`."""
    return len(f"{request} {handler}")


def takes_two(record: AttemptRecord, other: int) -> Awaitable[None]:
    """Want more than a hook is given."""
    raise NotImplementedError(record, other)


AsyncTechLadder(middlewares=[takes_no_handler])  # type: ignore[list-item]  # it wants the handler too
AsyncTechLadder(middlewares=[returns_a_status])  # type: ignore[list-item]  # it must return a Response
AsyncTechLadder(hooks=[takes_two])  # type: ignore[list-item]  # a hook takes the record alone
AsyncTechLadder(retry=3)  # type: ignore[arg-type]  # a policy, no number
AsyncTechLadder().with_options(hooks=())  # type: ignore[call-arg]  # hooks are shared
Response(200, None, b"")  # type: ignore[arg-type]  # headers may be empty, not missing
Request("GET", "/", {"page": 1})  # type: ignore[dict-item]  # parameters are text already
techladder_async.Unheard()  # type: ignore[attr-defined]  # a module has the names that it has
techladder_async.models.Unheard()  # type: ignore[attr-defined]  # this one too
