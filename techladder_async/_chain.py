"""The chain of overlapping answers: what may be missing, and what cannot be, while a listing moves.

Pure bookkeeping over ids and positions. Two answers that share an id have no gap between them, whatever moved in the
meantime, as long as the items that stay keep their order: what stays and stands between them is in one of the two.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


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


class Chain(Generic[T]):
    """What is safely joined, and the answers held back because they do not reach it yet.

    What stays in the listing at or after `start`, and stands before any joined item, is joined too. An answer that
    begins at `start`, or that holds a joined id, can be added and keeps this true: that is the whole proof.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        """Where the joined part ended when it was last seen."""
        self.complete = False
        """Whether the joined part reaches the end of the listing."""
        self.held: list[Stretch[T]] = []
        self._seen_at: dict[str, int] = {}
        self._drift = 0  # how far the listing has moved in all: the positions in _seen_at are kept without it

    def __len__(self) -> int:
        return len(self._seen_at)

    def join(self, stretch: Stretch[T], *, trusted: bool = False) -> tuple[list[Stretch[T]], int | None]:
        """Add an answer; return the stretches that are joined by it, in order, and how far the listing had moved.

        `trusted` joins without an id in common. Nothing joined: the answer is held back, and the shift is `None`.
        """
        if not (trusted or stretch.offset <= self.start or self._meets(stretch)):
            if stretch.ids:
                self.held.append(stretch)
            return [], None
        shift = self._add(stretch)
        joined = [stretch]
        while follower := next((held for held in self.held if self._meets(held)), None):
            self.held.remove(follower)
            self._add_follower(follower)
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

    def _add(self, stretch: Stretch[T]) -> int:
        shift = self._shift(stretch)
        reaches_on = bool(stretch.ids) and stretch.ids[-1] not in self._seen_at
        self.end = stretch.end if reaches_on else max(stretch.end, self.end + shift)
        self._drift += shift
        self._note(stretch, stretch.offset)
        return shift

    def _add_follower(self, stretch: Stretch[T]) -> None:
        """Add a stretch that is older than the one it met: it is moved to where it would stand now."""
        shift = self._shift(stretch)
        self.end = max(self.end, stretch.end - shift)
        self._note(stretch, stretch.offset - shift)

    def _note(self, stretch: Stretch[T], offset: int) -> None:
        for position, name in enumerate(stretch.ids, offset - self._drift):
            self._seen_at[name] = position
        self.complete = self.complete or stretch.last

    def _shift(self, stretch: Stretch[T]) -> int:
        """Return how far the last joined item in the stretch, or else the end, moved since it was seen."""
        for position in range(stretch.end - 1, stretch.offset - 1, -1):
            if (seen := self._seen_at.get(stretch.ids[position - stretch.offset])) is not None:
                return position - seen - self._drift
        return stretch.offset - self.end
