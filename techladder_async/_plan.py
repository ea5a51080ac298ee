"""Which page to ask for next, and which items of an answer are new: the walk without its network.

A plan is pure and synchronous: the walk asks it what it wants (`wanted`), fetches, and hands the answers back in the
order of the asks (`feed`). `PlainPlan` goes page after page; `techladder_async._exact.ExactPlan` also loses nothing
while the listing changes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from .errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._page import Page

T = TypeVar("T")

_REMEMBERED = 10_000
_TOO_MANY = 19_500
"""As many ids as fit, with another page, into the table that CPython gives a set of 10,000."""

_MOST_STALE = 3
_BELIEVED_SHRINK = 10


class Ask(NamedTuple):
    """One request for a page: `page` counts from 1 in pages of `limit` items."""

    page: int
    limit: int


def lowered(asked: int, applied: int) -> int:
    """Return the size of the next pages, where `asked` items were asked for and the server applied its own limit."""
    return applied if 0 < applied < asked else asked


def page_at(position: int, limit: int) -> int:
    """Return the number of the page that holds the item at a position, which counts from 0."""
    return position // limit + 1


class Plan(Protocol[T]):
    """What a walk needs to know of its plan."""

    duplicates: int
    """Items dropped because they had been delivered."""
    settled: bool | None
    """Whether nothing was lost; `None` where the plan makes no such promise, or has not ended."""
    limit: int
    """The size of a page, as the server gives it."""

    @property
    def resume_page(self) -> int:
        """The page to go on from, in pages of as many items as the server gives, lest something be missed."""

    def wanted(self, ahead: int) -> Sequence[Ask]:
        """Return the asks to have under way: the one to be fed next, then at most `ahead` probable later ones.

        Empty when the walk has ended.
        """

    def feed(self, ask: Ask, answer: Page[T]) -> Sequence[T]:
        """Take the answer to the first wanted ask; return the items to deliver now, in order, each once.

        Raises `PaginationError` where the listing breaks its own contract.
        """

    def past_end(self, ask: Ask) -> bool:
        """Take a 404 or 422 to the first wanted ask; return whether it is the listing's end and no error."""


class PlainPlan(Generic[T]):
    """Page after page until `has_more` is false. No item comes twice; what moves between pages may be missed."""

    def __init__(self, ids: Callable[[Sequence[T]], list[str]], page: int, limit: int) -> None:
        self.duplicates = 0
        self.settled: bool | None = None
        self.limit = limit
        self._next = Ask(page, limit)
        self._ended = False
        self._last_page: int | None = None
        """The last page that `total` shows; `None` before the first answer."""
        self._stale = 0
        self._delivered = _Recent(ids)

    @property
    def resume_page(self) -> int:
        """The page that is to be fed next."""
        return page_at((self._next.page - 1) * self._next.limit, self.limit)

    def wanted(self, ahead: int) -> Sequence[Ask]:
        """Return the next ask and, as far as `total` shows pages, those after it."""
        if self._ended:
            return ()
        page, limit = self._next
        if self._last_page is None or not ahead:
            return (self._next,)
        # has_more decides, so the next page is wanted even where total says that there is none.
        return [Ask(number, limit) for number in range(page, max(page, min(page + ahead, self._last_page)) + 1)]

    def feed(self, ask: Ask, answer: Page[T]) -> Sequence[T]:
        """Take the next page."""
        fresh = self._delivered.new_ones(answer.items)
        self.duplicates += len(answer.items) - len(fresh)
        self.limit = lowered(ask.limit, answer.limit)
        if answer.has_more:
            self._check(answer, fresh)
            self._advance(ask)
        self._ended = not answer.has_more
        self._last_page = -(-answer.total // self.limit)
        return fresh

    def _advance(self, ask: Ask) -> None:
        page = ask.page
        if self.limit < ask.limit and self._last_page is not None:
            # Lowered in the middle: what is delivered ends at another page number now.
            page = page_at((ask.page - 1) * ask.limit, self.limit) - 1
        self._next = Ask(page + 1, self.limit)

    def _check(self, answer: Page[T], fresh: Sequence[T]) -> None:
        if not answer.items:
            msg = f"page {answer.page} is empty but says that more follow"
            raise PaginationError(msg)
        self._stale = 0 if fresh else self._stale + 1
        if self._stale >= _MOST_STALE:
            msg = f"pages {answer.page - _MOST_STALE + 1} to {answer.page} hold nothing that had not come before"
            raise PaginationError(msg)

    def past_end(self, ask: Ask) -> bool:
        """Take the answer for the end where the listing may have shrunk that much since the page before.

        A refusal many pages before the end that `total` showed is no shrinking: then it is an error, lest the rest be
        lost without a word.
        """
        self._ended = self._last_page is not None and self._last_page - ask.page < _BELIEVED_SHRINK
        return self._ended


class _Recent(Generic[T]):
    """Remembers the ids of the last items, so that memory does not grow with the walk.

    The oldest are forgotten many at a time: taken out one by one, they would leave a set full of holes, and slow.
    """

    def __init__(self, ids: Callable[[Sequence[T]], list[str]]) -> None:
        self._ids = ids
        self._known: set[str] = set()
        self._pages: deque[list[str]] = deque()
        """What is known, page by page, the oldest first."""

    def new_ones(self, items: tuple[T, ...]) -> Sequence[T]:
        """Return the items that are not remembered, and remember them."""
        ids = self._ids(items)
        known = len(self._known)
        self._known.update(ids)
        if len(self._known) < known + len(ids):
            ids, items = self._without_repeats(ids, items)
        self._pages.append(ids)
        if len(self._known) >= _TOO_MANY:
            self._forget()
        return items

    def _without_repeats(self, ids: list[str], items: tuple[T, ...]) -> tuple[list[str], tuple[T, ...]]:
        earlier = set[str]().union(*self._pages)
        fresh: dict[str, T] = {}
        for id_, item in zip(ids, items, strict=True):
            if id_ not in earlier:
                fresh.setdefault(id_, item)
        return list(fresh), tuple(fresh.values())

    def _forget(self) -> None:
        spare = len(self._known) - _REMEMBERED
        while spare >= len(self._pages[0]):
            spare -= len(self._pages.popleft())
        self._known.clear()
        self._known.update(*self._pages)
