"""The listing endpoint without a network: a handler for the end of a middleware chain."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

from techladder_async import CallBatch, Middleware, Paginator, Request, Response
from techladder_async._api import Api
from techladder_async._config import Settings
from techladder_async._lifetime import Lifetime
from techladder_async._middleware import compose
from techladder_async._resources.call_batches import CallBatches
from techladder_async._transport import Transport
from tests.faults import Answer, batch, error, page

Spoil = Callable[[int], Awaitable[Answer | None]]


async def nothing_wrong(_page: int) -> None:
    """Spoil no page."""


def response(answer: Answer) -> Response:
    """Give an answer as the transport would."""
    return Response(answer.status, dict(answer.headers), answer.body)


class MemoryApi:
    """Serves so many batches, each page after so many seconds of the loop; `spoil` may answer a page in its own way."""

    def __init__(self, batches: int, seconds: float = 0.05, spoil: Spoil = nothing_wrong, **changes: object) -> None:
        self.batches = batches
        self.seconds = seconds
        self.spoil = spoil
        self.changes: Mapping[str, object] = changes
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.given_up: list[int | None] = []

    @property
    def pages(self) -> list[int | None]:
        """The pages that were asked for, in this order."""
        return [request.page for request in self.requests]

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
            spoilt = await self.spoil(request.page or 1)
        except asyncio.CancelledError:
            self.given_up.append(request.page)
            raise
        finally:
            self.in_flight -= 1
        return response(spoilt or self.answer(request))

    def answer(self, request: Request) -> Answer:
        number, limit = request.page or 1, int(request.params.get("limit", 50))
        if not 1 <= limit <= 100:
            return error(422, details=["limit: Must be between 1 and 100"])
        end = number * limit
        items = list(map(batch, range(end - limit, min(end, self.batches))))
        facts = {"total": self.batches, "limit": limit, "has_more": end < self.batches}
        return page(**{"items": items, "page": number, **facts, **self.changes})  # type: ignore[arg-type]  # no fact is called headers or status

    def resource(self, *middlewares: Middleware, lifetime: Lifetime | None = None) -> CallBatches:
        """Give `client.call_batches` of a client whose chain ends here."""
        settings = Settings.resolve("sk_test", "http://127.0.0.1:9", allow_insecure=False, max_response_bytes=2**20)
        return CallBatches(Api(lifetime or Lifetime(), compose(middlewares, self), Transport(settings)))


def ids(batches: "list[CallBatch]") -> list[int]:
    """Give the numbers that `batch(n)` made the batches of."""
    return [int(item.schedule_id.removeprefix("sched_"), 16) for item in batches]


async def drain(walk: AsyncIterable[CallBatch], seen: list[CallBatch]) -> None:
    """Iterate to the end; what came before an error is in `seen`."""
    async for item in walk:
        seen.append(item)  # noqa: PERF401  a comprehension would lose it


async def walked(paginator: Paginator[CallBatch]) -> list[int]:
    """Iterate to the end and give the numbers of the batches."""
    return ids([item async for item in paginator])
