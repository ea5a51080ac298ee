"""Where the next answer of a chain should begin: a margin before the end of what is joined.

The API addresses by page number and page size only, so an answer that begins somewhere is a little number theory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ._plan import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._chain import Chain

_MEMORY = 8  # seams: enough to tell what is usual, few enough to follow a change


def offset_of(ask: Ask) -> int:
    """Return the position of the first item that `ask` is answered with."""
    return (ask.page - 1) * ask.limit


def end_of(ask: Ask) -> int:
    """Return the position behind the last item that `ask` can be answered with."""
    return ask.page * ask.limit


def covering(offset: int, limit: int) -> Ask:
    """Return the page of at most `limit` items that begins at `offset` or before it and reaches furthest."""
    return max((Ask(offset // size + 1, size) for size in range(limit, 0, -1)), key=end_of)


def is_boundary(position: int, limit: int) -> bool:
    """Return whether no page of at most `limit` items holds both the item before `position` and the one behind it.

    With pages of 3 items that is every sixth position, with pages of 10 every 2520th.
    """
    return end_of(covering(position - 1, limit)) <= position


class Aim:
    """The guess where the joined part ends by now, and the next ask that follows from it."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        """Where the joined part is believed to end now."""
        self._recent: deque[int] = deque(maxlen=_MEMORY)  # shifts at the last seams; below zero: items left in front
        self._stepping_back = False
        self._step = 0

    @property
    def expected_shift(self) -> int:
        """The median of the last shifts, which one burst leaves alone; none where the walk steps back."""
        if self._stepping_back or not self._recent:
            return 0
        ordered = sorted(self._recent)
        return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) // 2

    def begin(self, reach: int, change: int) -> None:
        """Start from a first movement that changed `total` by `change`."""
        self.reach = reach
        self._recent.extend((0, -abs(change)))

    def met(self, chain: Chain[Any], end: int, shift: int, *, grown: bool) -> None:
        """Go on behind an answer up to `end` that was joined, and found the listing moved by `shift`."""
        self._recent.append(shift)
        self._stepping_back = self._stepping_back and not grown
        # After a step back the guess is known to be wrong: on from what was seen, page by page.
        self.reach = end if self._stepping_back else chain.end
        self._step = 0

    def missed(self, position: int, limit: int) -> None:
        """Look for the end of the joined part before `position`, further back with each attempt."""
        self._stepping_back = True
        self._step = 2 * self._step or max(limit // 2, 1)
        self.reach = max(0, min(self.reach, position) - self._step)

    def was_to_meet(self, offset: int) -> bool:
        """Return whether an answer from `offset` on was meant to overlap the joined part."""
        return offset <= self.reach + max(self.expected_shift, 0)

    def next_ask(self, chain: Chain[Any], under_way: Sequence[Ask], size: int, limit: int) -> Ask | None:
        """Return the ask for the first gap that nothing under way will close; `None` where there is none."""
        reach = self._covered(chain, under_way)
        if under_way and reach >= size:
            return None
        end = min(reach + self.expected_shift, size - 1)
        lowest = max(0, min(chain.start, size - 1))
        overlaps = (covering(max(end - overlap, lowest), limit) for overlap in self._overlaps(limit))
        ask = next(ask for ask in overlaps if end_of(ask) > end)
        return None if ask in under_way else ask

    def _covered(self, chain: Chain[Any], under_way: Iterable[Ask]) -> int:
        """Return how far what is joined, held back and under way will reach, if nothing unexpected happens."""
        spans = [(offset_of(ask), end_of(ask), True) for ask in under_way]
        spans += [(held.offset, held.end, False) for held in chain.held]
        reach, bridged = self.reach, False
        for begin, end, asked in sorted(spans):
            meets = begin < reach + self.expected_shift or begin <= chain.start
            if meets and (
                asked or bridged
            ):  # what is held back does not meet what is joined: an answer between them may
                reach, bridged = max(reach, end), True
        return reach

    def _overlaps(self, limit: int) -> Iterable[int]:
        """Return the overlaps to try, from what lately would have been enough at most seams down to none."""
        ordered = sorted(self._recent)
        low = ordered[1] if len(ordered) == _MEMORY else ordered[0]  # of many, the lowest may have been a burst
        margin = max(self.expected_shift - low, 0) + 1
        return range(min(margin, max(limit // 2, 1)), -1, -1)
