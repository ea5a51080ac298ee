"""`ExactPlan`: a walk that loses nothing while the listing changes under it.

It reads plain pages, and trusts their seams, as long as `total` stands still and no id comes twice: a calm listing
costs no extra request. From the first sign of movement on it is a chain (`_chain`): each further request begins a
margin before the end of what is safely joined (`_aim`), and steps back where the margin was too small. A walk that has
spent its allowance of requests reads the rest as plain pages and is not settled.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from ._aim import Aim, end_of, is_boundary, offset_of
from ._chain import Chain, Stretch
from ._plan import Ask
from .errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ._page import Page

T = TypeVar("T")

_DOUBTED = 3  # seams made sure of again at the first movement: some changes hide behind an unchanged total
_SPARE = 16  # requests
_STANDSTILL = 3  # pages
_MOST_REFUSALS = 8  # of pages that the next answer's total shows to exist


class _Mode(Enum):
    CALM = "plain pages, their seams trusted"
    CHAIN = "overlapping pages"
    PLAIN = "plain pages, nothing promised"


class ExactPlan(Generic[T]):
    """The plan of an exact walk from `page`, in pages of at most `limit` items, told apart by their `ids`.

    From the first movement on the chain has `3 * pages + 16` answers; the plain pages after it have `pages + 16` that
    may bring nothing new or find the listing grown. `pages` is what the listing has when each of the two begins.
    """

    def __init__(self, ids: Callable[[Sequence[T]], list[str]], page: int, limit: int) -> None:
        self.duplicates = 0
        self.settled: bool | None = None
        self.limit = limit
        self._ids = ids
        self._mode = _Mode.CALM
        self._queue = [Ask(page, limit)]
        self._page = page + 1  # the next plain one
        start = offset_of(self._queue[0])
        self._chain: Chain[T] = Chain(start)
        self._aim = Aim(start)
        self._trusted: deque[Stretch[T]] = deque(maxlen=_DOUBTED)
        self._delivered: set[str] = set()
        self._previous: Stretch[T] | None = None
        self._total = 0  # of the previous answer
        self._size = 0  # how long the listing is: `total`, or more where an answer shows more
        self._quiet_seam: tuple[int, int] | None = None
        self._allowance = 0
        self._idle = 0
        self._refused: int | None = None
        self._refusals = 0

    @property
    def resume_page(self) -> int:
        """The page, in pages as large as the server gives them, from which a new walk misses nothing of the rest."""
        return self._aim.reach // self.limit + 1

    def wanted(self, ahead: int) -> Sequence[Ask]:
        """Return the asks to have under way, the one to be fed next first; empty when the walk has ended."""
        if self.settled is not None:
            return ()
        while len(self._queue) <= ahead and (ask := self._next()):
            insort(self._queue, ask, key=offset_of)
        return tuple(self._queue[: ahead + 1])

    def feed(self, ask: Ask, answer: Page[T]) -> Sequence[T]:
        """Take the answer to the first wanted ask; return the items to deliver now, in order, each once.

        Raises `PaginationError` on an empty page that says `has_more`, and on three pages running with nothing new
        where the listing stands still.
        """
        self._queue.remove(ask)
        if answer.has_more and not answer.items:
            raise PaginationError(f"page {answer.page} is empty but says that more follow")
        if answer.limit < ask.limit:
            self._lower(answer)
        stretch = self._stretch(answer)
        self._check_standstill(stretch, answer.total)
        self._explain_refusal(answer.total)
        items = self._deliver(self._take(stretch, answer.total))
        self._previous, self._total = stretch, answer.total
        return items

    def past_end(self, ask: Ask) -> bool:
        """Take a 404 or 422 to the first wanted ask; return whether it is the listing's end and no error.

        It is an empty page to step back from, unless it is the first page, which no listing is too short for, or the
        server goes on to refuse pages that `total` shows.
        """
        if self._previous is None or ask.page == 1 or self._refusals >= _MOST_REFUSALS:
            return False
        self._queue.remove(ask)
        if self._mode is _Mode.PLAIN:
            self._end(settled=False)
            return True
        if self._mode is _Mode.CALM:
            self._begin_chain(self._total)
        self._refused = offset_of(ask)
        self._aim.missed(min(self._size, offset_of(ask)), self.limit)
        self._size = self._aim.reach
        return True

    # What to ask for

    def _next(self) -> Ask | None:
        if self._mode is _Mode.CHAIN:
            return self._aim.next_ask(self._chain, self._queue, self._size, self.limit)
        # has_more decides: the first one is asked for even where total says that there is none.
        if self._previous is None or (self._queue and (self._page - 1) * self.limit >= self._size):
            return None
        self._page += 1
        return Ask(self._page - 1, self.limit)

    # What an answer says

    def _lower(self, answer: Page[T]) -> None:
        self.limit = answer.limit
        self._page = answer.page + 1
        self._queue.clear()  # they count their pages in the old limit

    def _stretch(self, answer: Page[T]) -> Stretch[T]:
        offset = (answer.page - 1) * answer.limit
        if self._previous is None:
            self._chain, self._total = Chain(offset), answer.total
        shown = offset + len(answer.items) + answer.has_more if answer.items else 0
        self._size = max(answer.total, shown)
        skipped = max(0, self._chain.start - offset)  # what stands before the start is not the walk's
        items = answer.items[skipped:]
        return Stretch(offset + skipped, tuple(self._ids(items)), items, last=not answer.has_more)

    def _check_standstill(self, stretch: Stretch[T], total: int) -> None:
        """Raise where page after page is the same one; one that was read again to step back is no sign of it."""
        before = self._previous
        repeats = (
            before is not None
            and not stretch.last
            and total == self._total
            and stretch.offset > before.offset
            and stretch.ids[:1] == before.ids[:1]
            and self._delivered.issuperset(stretch.ids)
        )
        self._idle = self._idle + 1 if repeats else 0
        if self._idle >= _STANDSTILL:
            raise PaginationError(f"the last {_STANDSTILL} pages brought nothing new: the listing goes in circles")

    def _explain_refusal(self, total: int) -> None:
        if self._refused is not None:
            self._refusals = self._refusals + 1 if total > self._refused else 0
            self._refused = None

    def _take(self, stretch: Stretch[T], total: int) -> list[Stretch[T]]:
        if self._mode is _Mode.CALM:
            follows = stretch.offset >= self._chain.end  # it does not where the server lowered the limit just now
            if follows and total == self._total and self._delivered.isdisjoint(stretch.ids):
                return self._take_calm(stretch)
            self._begin_chain(total)
        if self._mode is _Mode.CHAIN:
            return self._take_chain(stretch, total)
        return self._take_plain(stretch, total)

    def _take_calm(self, stretch: Stretch[T]) -> list[Stretch[T]]:
        self._chain.join(stretch, trusted=True)
        if self._previous is not None:
            self._trusted.append(stretch)
        self._aim.reach = self._chain.end
        if stretch.last:
            self._end(settled=True)
        return [stretch]

    def _take_chain(self, stretch: Stretch[T], total: int) -> list[Stretch[T]]:
        joined = self._join(stretch, total)
        self._allowance -= 1
        if self._chain.complete:
            self._end(settled=True)
            return joined + self._chain.release()
        if self._allowance <= 0:
            return joined + self._give_up()
        if joined:  # what the listing left far behind will meet nothing any more
            return joined + self._chain.release(self._aim.reach - self.limit)
        return joined

    def _join(self, stretch: Stretch[T], total: int) -> list[Stretch[T]]:
        before = len(self._chain)
        joined, shift = self._chain.join(stretch, trusted=self._quiet_seam == (stretch.offset, total))
        # No answer overlaps across such a seam; an unchanged total has to do there, as it does in a calm listing.
        self._quiet_seam = (stretch.end, total) if joined and is_boundary(stretch.end, self.limit) else None
        if shift is not None:
            self._aim.met(self._chain, stretch.end, shift, grown=len(self._chain) > before)
            self._queue = [ask for ask in self._queue if end_of(ask) > self._aim.reach]
        elif self._aim.was_to_meet(stretch.offset):
            self._aim.missed(stretch.offset, self.limit)
        return joined

    def _take_plain(self, stretch: Stretch[T], total: int) -> list[Stretch[T]]:
        if total > self._total or self._delivered.issuperset(stretch.ids):
            self._allowance -= 1
        if stretch.last or self._allowance <= 0:
            self._end(settled=False)
        return [stretch]

    def _deliver(self, stretches: Iterable[Stretch[T]]) -> list[T]:
        items = []
        for stretch in stretches:
            for name, item in zip(stretch.ids, stretch.items, strict=False):  # no items: they were delivered before
                if name in self._delivered:
                    self.duplicates += 1
                else:
                    self._delivered.add(name)
                    items.append(item)
        return items

    # From one mode to the next

    def _begin_chain(self, total: int) -> None:
        self._mode = _Mode.CHAIN
        self._allowance = 3 * self._pages() + _SPARE
        self._chain.doubt(self._trusted)
        self._trusted.clear()
        self._aim.begin(self._chain.end, total - self._total)

    def _give_up(self) -> list[Stretch[T]]:
        self._mode = _Mode.PLAIN
        self._queue.clear()
        self._allowance = self._pages() + _SPARE
        held = self._chain.release()
        furthest = max((stretch.end for stretch in held), default=0)
        self._page = max(self._aim.reach, furthest) // self.limit + 1
        return held

    def _end(self, *, settled: bool) -> None:
        self.settled = settled
        self._queue.clear()

    def _pages(self) -> int:
        return -(-self._size // self.limit)
