"""One walk through a listing: it fetches what its plan wants, looks ahead, and lets go of everything when it ends."""

from __future__ import annotations

import asyncio
import functools
from contextlib import suppress
from operator import length_hint
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import attrs

from .errors import NotFoundError, TechLadderError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from ._page import Page
    from ._plan import Ask, Plan

T = TypeVar("T")


class Listing(NamedTuple, Generic[T]):
    """What is listed: how to fetch a page of it, and how to tell its items apart."""

    fetch: Callable[[int, int | None], Coroutine[Any, Any, Page[T]]]
    """Takes a page's number and size; size `None` leaves it to the server."""
    explain: Callable[[TechLadderError, int, int | None], None]
    """Puts the facts of the request for a page on an error that was found in its answer."""
    ids: Callable[[Sequence[T]], list[str]]
    """Takes many items at once: one call for each page."""


@attrs.frozen
class WalkReport:
    """What a walk has done so far."""

    requests: int = 0
    """Pages asked for, those of a look-ahead that was given up included, retries not."""
    pages: int = 0
    """Pages that were answered and taken."""
    items: int = 0
    """Items delivered."""
    duplicates: int = 0
    """Items that came again and were not delivered again."""
    total: int | None = None
    """The listing's size as the latest page said it."""
    settled: bool | None = None
    """Whether an exact walk that ran to its end lost nothing; `None` for every other walk."""


class Progress(Generic[T]):
    """A walk's counters. They outlive the walk, and hold nothing that would keep it alive."""

    def __init__(self, plan: Plan[T]) -> None:
        self._plan = plan
        self.requests: int = 0
        self.pages = 0
        self.total: int | None = None
        self._handed_out = 0
        self._buffer: Iterator[T] = iter(())

    async def fetch(self, listing: Listing[T], ask: Ask) -> Page[T]:
        """Fetch a page, and count it now: one that was given up before it began is no request."""
        self.requests += 1
        return await listing.fetch(*ask)

    def hand_out(self, items: Sequence[T]) -> Iterator[T]:
        """Return an iterator over the items; those that are taken from it count as delivered."""
        self._handed_out += len(items)
        self._buffer = iter(items)
        return self._buffer

    def report(self) -> WalkReport:
        """Return a snapshot."""
        return WalkReport(
            self.requests,
            self.pages,
            self._handed_out - length_hint(self._buffer),
            self._plan.duplicates,
            self.total,
            self._plan.settled,
        )


class Walk(Generic[T]):
    """The pages of one walk, in order, with later ones on their way.

    A page that is looked ahead for has a task of its own. When the walk ends, its tasks are cancelled and waited for;
    when it is dropped, they are cancelled at once, without an await.
    """

    def __init__(
        self,
        listing: Listing[T],
        plan: Plan[T],
        progress: Progress[T],
        *,
        prefetch: int,
        max_items: int | None,
    ) -> None:
        self._listing = listing
        self._plan = plan
        self._progress = progress
        self._prefetch = prefetch
        self._left = max_items
        self._state: Literal["ready", "stepping", "ended", "failed"] = "ready"
        self._ahead: dict[Ask, asyncio.Task[Page[T]]] = {}
        # A task takes itself out through this set, not through the walk, which must be free to go before its tasks do.
        self._tasks: set[asyncio.Task[Page[T]]] = set()

    async def step(self) -> tuple[Page[T], Sequence[T]] | None:
        """Return the next answer and the items that it lets deliver, or `None` at the end."""
        if self._state == "ended":
            return None
        if self._state != "ready":
            raise RuntimeError(_MISUSES[self._state])
        self._state = "stepping"
        try:
            step = await self._step()
            if step is None or self._left == 0:
                await self._let_go("ended")
                return step
        except (Exception, asyncio.CancelledError):
            await self._let_go("failed")
            raise
        except BaseException:  # the loop is being torn down: nothing can be waited for
            self._cancel("failed")
            raise
        self._state = "ready"
        if self._prefetch:
            self._look_ahead(step[0].total)
        return step

    async def _step(self) -> tuple[Page[T], Sequence[T]] | None:
        while asks := self._plan.wanted(self._most_ahead(self._prefetch)):
            answer = await self._answer(asks)
            if answer is not None:
                return answer, self._taken(asks[0], answer)
        return None

    def _most_ahead(self, prefetch: int) -> int:
        """Return how many pages to look ahead for, without passing `max_items`."""
        return prefetch if self._left is None else min(prefetch, -(-self._left // self._plan.limit) - 1)

    async def _answer(self, asks: Sequence[Ask]) -> Page[T] | None:
        """Return the first ask's answer, with the others on their way, or `None` where the listing's end was passed."""
        first, *later = asks
        under_way = self._ahead.get(first)
        if later or self._ahead:
            self._keep(asks)
            self._start(later)
        try:
            if under_way is None:
                return await self._progress.fetch(self._listing, first)
            del self._ahead[first]
            return await under_way
        except TechLadderError as error:
            if isinstance(error, NotFoundError | ValidationError) and self._plan.past_end(first):
                return None
            self._place(error)
            raise

    def _taken(self, ask: Ask, answer: Page[T]) -> Sequence[T]:
        try:
            fresh = self._plan.feed(ask, answer)
        except TechLadderError as error:
            self._listing.explain(error, *ask)
            self._place(error)
            raise
        self._progress.pages += 1
        self._progress.total = answer.total
        if self._left is not None:
            self._left = max(0, self._left - len(fresh))
        return fresh

    def _place(self, error: TechLadderError) -> None:
        """Say on the error where to go on from."""
        error.page = page = self._plan.resume_page
        error.add_note(
            f"the walk stopped at page {page}: list(..., limit={self._plan.limit}, page={page}) goes on from there"
        )

    # --- looking ahead ---

    def _look_ahead(self, total: int) -> None:
        """Have up to `prefetch` pages under way while the caller works, none beyond the end that total shows."""
        asks = self._plan.wanted(self._most_ahead(self._prefetch - 1))
        self._keep(asks)
        self._start([ask for ask in asks if (ask.page - 1) * ask.limit < total])

    def _start(self, asks: Sequence[Ask]) -> None:
        for ask in asks:
            if ask not in self._ahead:
                fetch = self._progress.fetch(self._listing, ask)
                task = asyncio.create_task(fetch, name=f"techladder_async page {ask.page}")
                self._tasks.add(task)
                task.add_done_callback(functools.partial(_forget, self._tasks))
                self._ahead[ask] = task

    def _keep(self, asks: Sequence[Ask]) -> None:
        """Give up what is no longer wanted."""
        for ask in [ask for ask in self._ahead if ask not in asks]:
            self._ahead.pop(ask).cancel()

    # --- letting go ---

    def _cancel(self, state: Literal["ended", "failed"]) -> None:
        self._state = state
        self._ahead.clear()
        for task in tuple(self._tasks):
            task.cancel()

    async def _let_go(self, state: Literal["ended", "failed"]) -> None:
        self._cancel(state)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """End the walk, and wait until nothing of it is left.

        Raises `RuntimeError`, as an asynchronous generator does, while another task waits for its next item.
        """
        if self._state == "stepping":
            raise RuntimeError(_MISUSES["stepping"])
        await self._let_go("failed" if self._state == "failed" else "ended")

    def __del__(self) -> None:
        # A loop that was left by break or an exception comes here at once, since nothing else holds its walk. The
        # collector may come here from another thread, hence threadsafe.
        for task in tuple(self._tasks):
            with suppress(RuntimeError):  # the loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)


_MISUSES = {
    "stepping": "this walk is already being iterated by another task: start one walk for each",
    "failed": "this walk has failed or was cancelled before its end: start another one, with page=... to go on",
}


def _forget(tasks: set[asyncio.Task[Page[T]]], task: asyncio.Task[Page[T]]) -> None:
    """Let a page's task go. Nobody may come to ask for its outcome: looked at, asyncio does not report it as lost."""
    tasks.discard(task)
    if not task.cancelled():
        task.exception()


class ItemIterator(Generic[T]):
    """The items of a walk, one at a time. `aclose()` ends it early; so does dropping it."""

    def __init__(self, walk: Walk[T], progress: Progress[T], max_items: int | None) -> None:
        self._walk = walk
        self._progress = progress
        self._left = max_items
        self._buffer: Iterator[T] = iter(())

    def __aiter__(self) -> ItemIterator[T]:
        return self

    async def __anext__(self) -> T:
        for item in self._buffer:
            return item
        while (step := await self._walk.step()) is not None:
            self._buffer = self._progress.hand_out(self._within_max(step[1]))
            for item in self._buffer:
                return item
        raise StopAsyncIteration

    def _within_max(self, items: Sequence[T]) -> Sequence[T]:
        if self._left is None:
            return items
        items = items[: self._left]
        self._left -= len(items)
        return items

    async def aclose(self) -> None:
        """End the walk, and wait until nothing of it is left."""
        await self._walk.aclose()
        self._buffer = iter(())


class PageIterator(Generic[T]):
    """The pages of a walk. `aclose()` ends it early; so does dropping it."""

    def __init__(self, walk: Walk[T], progress: Progress[T], finish: Callable[[Page[T], Sequence[T]], Page[T]]) -> None:
        self._walk = walk
        self._progress = progress
        self._finish = finish

    def __aiter__(self) -> PageIterator[T]:
        return self

    async def __anext__(self) -> Page[T]:
        step = await self._walk.step()
        if step is None:
            raise StopAsyncIteration
        page = self._finish(*step)
        for _ in self._progress.hand_out(page.items):
            pass
        return page

    async def aclose(self) -> None:
        """End the walk, and wait until nothing of it is left."""
        await self._walk.aclose()
