"""The chain of overlapping answers: what may be missing, and what cannot be, while a listing moves.

Pure bookkeeping over ids and positions. Two answers that share an id have no gap between them, whatever moved in the
meantime, as long as the items that stay keep their order: whatever stays and stands between them is in one of the two.
"""

from __future__ import annotations

from collections import deque
from math import inf
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from ._plan import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

_MEMORY = 8  # seams: long enough for a spread, short enough to follow a burst
_SPREADS = 1.5  # in deviations: a seam that fails costs one request, a wider margin a little of each


@attrs.frozen
class Stretch(Generic[T]):
    """One answer as a run of the listing: `ids[i]` stood at `offset + i` when the server answered."""

    offset: int
    ids: tuple[str, ...]
    items: tuple[T, ...]
    """The items of `ids`; empty once they were delivered."""
    last: bool
    """Whether the listing ended with it."""

    @property
    def end(self) -> int:
        """The position behind the last item."""
        return self.offset + len(self.ids)


def offset_of(ask: Ask) -> int:
    """Return the position of the first item that `ask` is answered with."""
    return (ask.page - 1) * ask.limit


def end_of(ask: Ask) -> int:
    """Return the position behind the last item that `ask` can be answered with."""
    return ask.page * ask.limit


def covering(offset: int, limit: int) -> Ask:
    """Return the page of at most `limit` items that begins at `offset` or before it and reaches furthest."""
    return max((Ask(offset // size + 1, size) for size in range(limit, 0, -1)), key=end_of)


class Shifts:
    """How far the listing moved between neighbouring answers lately; below zero where items left in front."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=_MEMORY)

    def add(self, shift: int) -> None:
        """Note the shift seen at a seam."""
        self._recent.append(shift)

    @property
    def mean(self) -> int:
        """The shift to expect at the next seam."""
        return round(fmean(self._recent)) if self._recent else 0

    def margin(self, limit: int) -> int:
        """Return how many items the next answer should overlap with, the expected shift taken into account."""
        spread = pstdev(self._recent) if self._recent else 0.0
        return min(1 + round(_SPREADS * spread), max(limit // 2, 1))


class Chain(Generic[T]):
    """What is safely joined, and the answers held back because they do not reach it yet.

    Every item that was in the listing all the time, at or after `start`, and that stands before any joined item, is
    joined too. An answer that begins at `start` or before it, or that holds a joined id, keeps this true.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        """Where the joined part ended when its end was last seen."""
        self.complete = False
        """Whether the joined part reaches the end of the listing."""
        self.held: list[Stretch[T]] = []
        self._seen_at: dict[str, int] = {}

    def join(self, stretch: Stretch[T], *, trusted: bool = False) -> tuple[list[Stretch[T]], int | None]:
        """Add an answer; return the stretches that are joined by it, in order, and how far the listing had moved.

        `trusted` joins without an id in common. Nothing joined: the answer is held back, and the shift is `None`.
        """
        if not (trusted or stretch.offset <= self.start or self._meets(stretch)):
            if stretch.ids:
                self.held.append(stretch)
            return [], None
        shift = self._absorb(stretch)
        joined = [stretch]
        while follower := next((held for held in self.held if self._meets(held)), None):
            self.held.remove(follower)
            self._absorb(follower, follows=True)
            joined.append(follower)
        return joined, shift

    def doubt(self, stretches: Iterable[Stretch[T]]) -> None:
        """Take stretches that were joined on trust, the latest ones, out of the chain again and hold them."""
        for stretch in stretches:
            self.end = min(self.end, stretch.offset)
            self.held.append(attrs.evolve(stretch, items=()))
            for name in stretch.ids:
                self._seen_at.pop(name, None)

    def release(self, before: float = inf) -> list[Stretch[T]]:
        """Let go of what is held back and ends before a position: all of it, if none is given."""
        released = sorted((held for held in self.held if held.end < before), key=lambda held: held.offset)
        self.held = [held for held in self.held if held.end >= before]
        return released

    def _meets(self, stretch: Stretch[T]) -> bool:
        return any(name in self._seen_at for name in stretch.ids)

    def _absorb(self, stretch: Stretch[T], *, follows: bool = False) -> int:
        """Join a stretch; one that `follows` is older than what it met, and is moved to where it would stand now."""
        shift = self._shift(stretch)
        offset = stretch.offset - shift if follows else stretch.offset
        self._seen_at.update(zip(stretch.ids, range(offset, offset + len(stretch.ids)), strict=True))
        self.end = max(self.end if follows else self.end + shift, offset + len(stretch.ids))
        self.complete = self.complete or stretch.last
        return shift

    def _shift(self, stretch: Stretch[T]) -> int:
        for place in range(len(stretch.ids) - 1, -1, -1):
            if (seen := self._seen_at.get(stretch.ids[place])) is not None:
                return stretch.offset + place - seen
        return stretch.offset - self.end
