"""Re-lists the batches for as long as somebody looks: once for all who look at the same client's."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import anyio
import attrs

from .._backoff import RetryPolicy
from ..errors import APIStatusError, TechLadderError
from ._errors import answer_to, log, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from .._client import AsyncTechLadder
    from ..models import CallBatch

_SECONDS_PER_REQUEST = 0.6  # a third of the API's rate limit, 300 requests a minute
_LOOK_FOR_SHUTDOWN_EVERY = 0.5
# Trouble is to show soon; the poll after next tries again anyhow.
_RETRY = RetryPolicy(max_attempts=2, max_elapsed=5.0)


@attrs.frozen
class State:
    """What is known of the listing. A new state is a new object, also where nothing changed."""

    batches: Mapping[str, CallBatch]
    """By `schedule_id`."""
    total: int | None = None
    """How many there are in all; `None` before the first listing."""
    problem: str | None = None
    """Why the latest look failed, in a sentence; the rest is then from the last look that did not."""


NOTHING = State({})
"""What is known before the first listing."""


class Pollers:
    """One poller for each client whose batches somebody looks at."""

    def __init__(self, interval: float, max_items: int) -> None:
        self._interval = interval
        self._max_items = max_items
        self._pollers: dict[AsyncTechLadder, Poller] = {}

    @contextlib.asynccontextmanager
    async def look(self, client: AsyncTechLadder) -> AsyncIterator[Poller]:
        """Be one who looks. The poller stops with the last."""
        poller = self._pollers.get(client)
        if poller is None:
            poller = self._pollers[client] = Poller(client, self._interval, self._max_items)
        poller.viewers += 1
        try:
            yield poller
        finally:
            poller.viewers -= 1
            if not poller.viewers:
                del self._pollers[client]
                with anyio.CancelScope(shield=True):
                    await poller.stop()


class Poller:
    """Lists a client's batches again and again."""

    def __init__(self, client: AsyncTechLadder, interval: float, max_items: int) -> None:
        self.viewers = 0
        self.state = NOTHING
        self._client = client.with_options(retry=_RETRY)
        self._interval = interval
        self._max_items = max_items
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._poll(), name="techladder_async dashboard")

    async def stop(self) -> None:
        """Stop listing, and wait until nothing of it is left."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._client.close()

    async def later(self, seen: State) -> State | None:
        """Return the state as soon as it is another than the one seen, or `None` when the server is asked to stop.

        Raises what no poller can go on from.
        """
        while self.state is seen:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_FOR_SHUTDOWN_EVERY):
                    await self._news.wait()
            if self._task.done():
                self._task.result()
            if _server_is_stopping():
                return None
        return self.state

    async def _poll(self) -> None:
        while True:
            wait = await self._look()
            news, self._news = self._news, asyncio.Event()
            news.set()
            await asyncio.sleep(wait)

    async def _look(self) -> float:
        """List once, and return how many seconds to wait."""
        paginator = self._client.call_batches.list(max_items=self._max_items)
        try:
            batches = await paginator.collect()
        except TechLadderError as error:
            self._note(error)
            asked = error.retry_after if isinstance(error, APIStatusError) else None
            return max(self._interval, asked or 0.0)
        report = paginator.report
        self.state = State({batch.schedule_id: batch for batch in batches}, report.total or 0)
        return max(self._interval, report.requests * _SECONDS_PER_REQUEST)

    def _note(self, error: TechLadderError) -> None:
        answer = answer_to(error)
        if self.state.problem is None:
            log(error, answer)  # once, not with every look
        self.state = attrs.evolve(self.state, problem=sentence(answer))


def _server_is_stopping() -> bool:
    """Return whether uvicorn wants to stop.

    It tells an app so only when the last response has ended, and a stream of news never ends by itself. What handles
    the signals is its server. Under other servers, and in threads, this is false: they cancel what does not end.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
