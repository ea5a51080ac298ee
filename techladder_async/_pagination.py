"""`Paginator`: a listing that can be awaited for one page, or walked to its end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import attrs

from ._page import Page
from ._plan import PlainPlan, Plan, lowered
from ._walk import ItemIterator, Listing, PageIterator, Progress, Walk, WalkReport
from .errors import PaginationError

T = TypeVar("T")

LARGEST_LIMIT = 100


class Bounds(NamedTuple):
    """Where a walk begins and ends, and how it goes."""

    limit: int | None = None
    page: int = 1
    max_items: int | None = None
    prefetch: int = 1
    exact: bool = False

    @property
    def walk_limit(self) -> int:
        """The size of a walk's pages: the largest, since the rate limit counts requests."""
        if self.limit is not None:
            return self.limit
        return LARGEST_LIMIT if self.max_items is None else min(LARGEST_LIMIT, self.max_items)


class Paginator(Generic[T]):
    """A listing. Nothing is sent until it is used.

    * `async for item in paginator` gives every item of every page, in a new walk each time.
    * `await paginator` gives one `Page`.
    * `pages()`, `collect()` and `first()` are said below.

    Each raises any `TechLadderError`, with `page` set.
    """

    def __init__(self, listing: Listing[T], bounds: Bounds) -> None:
        self._listing = listing
        self._bounds = bounds
        self._progress: Progress[T] | None = None

    def __await__(self) -> Generator[Any, Any, Page[T]]:
        return self._load(self._bounds.page, self._bounds.limit).__await__()

    def __aiter__(self) -> ItemIterator[T]:
        walk, progress = self._start()
        return ItemIterator(walk, progress, self._bounds.max_items)

    def pages(self) -> PageIterator[T]:
        """Walk page by page: `async for page in paginator.pages()`.

        Pages are whole, and end with the one that reaches `max_items`. What came before is left out of them.
        """
        walk, progress = self._start()
        return PageIterator(walk, progress, self._finish)

    async def collect(self) -> list[T]:
        """Walk to the end and return all items. All of them are then in memory: to go through them, iterate."""
        walk, progress = self._start()
        items: list[T] = []
        while (step := await walk.step()) is not None:
            items.extend(step[1])
        items = items[: self._bounds.max_items]
        for _ in progress.hand_out(items):
            pass
        return items

    async def first(self) -> T | None:
        """Return the item that a walk would begin with, or `None` where there is none: one request for one item."""
        number = (self._bounds.page - 1) * self._bounds.walk_limit + 1
        page = await self._listing.fetch(number, 1)
        if not page.items and page.has_more:
            msg = f"page {number} is empty but says that more follow"
            error = PaginationError(msg)
            self._listing.explain(error, number, 1)
            raise error
        return page.items[0] if page.items else None

    @property
    def report(self) -> WalkReport:
        """A snapshot of what the latest walk has done, also while it runs."""
        return WalkReport() if self._progress is None else self._progress.report()

    def _start(self) -> tuple[Walk[T], Progress[T]]:
        bounds = self._bounds
        plan: Plan[T] = _plan_for(bounds, self._listing.ids)
        self._progress = progress = Progress(plan)
        walk = Walk(
            self._listing,
            plan,
            progress,
            prefetch=bounds.prefetch,
            max_items=bounds.max_items,
        )
        return walk, progress

    async def _load(self, number: int, limit: int | None) -> Page[T]:
        page = await self._listing.fetch(number, limit)
        if limit is not None:
            limit = lowered(limit, page.limit)
        return attrs.evolve(page, load_next=functools.partial(self._load, number + 1, limit))

    def _finish(self, page: Page[T], items: Sequence[T]) -> Page[T]:
        limit = lowered(self._bounds.walk_limit, page.limit)
        return attrs.evolve(page, items=tuple(items), load_next=functools.partial(self._load, page.page + 1, limit))


def _plan_for(bounds: Bounds, ids: Callable[[Sequence[T]], list[str]]) -> Plan[T]:
    if bounds.exact:
        from ._exact import ExactPlan  # noqa: PLC0415  a plain walk does not need it

        return ExactPlan(ids, bounds.page, bounds.walk_limit)
    return PlainPlan(ids, bounds.page, bounds.walk_limit)
