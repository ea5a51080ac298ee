"""The exact plan against a listing that changes between the requests and among them."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from benchmarks import simulation
from techladder_async._aim import covering, end_of, is_boundary, offset_of
from techladder_async._exact import ExactPlan
from techladder_async._page import Page
from techladder_async._plan import Ask
from techladder_async.errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def ids(items: Sequence[float]) -> list[str]:
    """Tell the items apart by themselves."""
    return [str(item) for item in items]


class Listing:
    """Items in an order of their own (their rank); remembers who was away and how near the front each one came."""

    def __init__(self, size: int, rng: random.Random, start: int = 0) -> None:
        self.rng = rng
        self.start = start
        self.items = [float(rank) for rank in range(size)]
        self.away: list[float] = []
        self.ever_away: set[float] = set()
        self.foremost = dict(zip(self.items, range(size), strict=True))
        self.largest = size

    def change(self, kind: str) -> None:
        getattr(self, kind)()
        self._look()

    def _look(self) -> None:
        self.largest = max(self.largest, len(self.items))
        if not self.start:
            return
        for place, item in enumerate(self.items):
            self.foremost[item] = min(place, self.foremost.get(item, place))

    def _insert(self, place: int) -> None:
        before = self.items[place - 1] if place else self.items[0] - 2.0 if self.items else 0.0
        after = self.items[place] if place < len(self.items) else before + 2.0
        item = (before + after) / 2
        if item not in (before, after) and item not in self.ever_away:
            self.items.insert(place, item)
            self.ever_away.add(item)

    def _remove(self, place: int) -> None:
        if self.items:
            item = self.items.pop(place)
            self.away.append(item)
            self.ever_away.add(item)

    def insert_head(self) -> None:
        self._insert(0)

    def insert_tail(self) -> None:
        self._insert(len(self.items))

    def insert_anywhere(self) -> None:
        self._insert(self.rng.randint(0, len(self.items)))

    def remove_head(self) -> None:
        self._remove(0)

    def remove_tail(self) -> None:
        self._remove(-1)

    def remove_anywhere(self) -> None:
        self._remove(self.rng.randrange(max(len(self.items), 1)))

    def come_back(self) -> None:
        """Let one that left the filter come back to where it stood."""
        if self.away:
            self.items.append(self.away.pop(self.rng.randrange(len(self.away))))
            self.items.sort()

    def swap(self) -> None:
        """Change the listing and leave `total` as it was."""
        self.remove_anywhere()
        self.insert_tail()

    def burst_in(self) -> None:
        place = self.rng.randint(0, len(self.items))
        for _ in range(self.rng.randint(2, 12)):
            self._insert(place)

    def burst_out(self) -> None:
        place = self.rng.randint(0, len(self.items))
        for _ in range(min(self.rng.randint(2, 12), len(self.items) - place)):
            self._remove(place)

    def take(self, items: Sequence[float]) -> None:
        """Let the consumer's work take items out of the listing."""
        for item in set(items).intersection(self.items):
            self._remove(self.items.index(item))
        self._look()

    def drain(self) -> None:
        for _ in range(len(self.items)):
            self._remove(0)


RISING = ("insert_head", "insert_tail", "insert_anywhere", "burst_in", "come_back")
FALLING = ("remove_head", "remove_tail", "remove_anywhere", "burst_out")
MOODS = (
    ("insert_head",),
    ("remove_anywhere",),
    ("remove_head", "insert_tail"),
    ("insert_head", "remove_anywhere"),
    ("remove_anywhere", "come_back"),
    ("swap",),
    ("burst_in", "burst_out", "swap"),
    RISING,
    FALLING,
    (*RISING, *FALLING, "swap", "drain"),
)


@attrs.define
class Server:
    """Answers asks from the listing as it is at the time."""

    listing: Listing
    cap: int = 1000
    """The largest page that it gives."""
    lowers_after: int = 0
    """How many answers come before the cap holds."""
    missing: bool = False
    """Whether it answers a page past the end with 404 (here: `None`)."""

    def answer(self, ask: Ask) -> Page[float] | None:
        self.lowers_after -= 1
        limit = ask.limit if self.lowers_after >= 0 else min(ask.limit, self.cap)
        begin, total = (ask.page - 1) * limit, len(self.listing.items)
        if self.missing and ask.page > 1 and begin >= total:
            return None
        items = tuple(self.listing.items[begin : begin + limit])
        return Page(items, total, ask.page, limit, has_more=begin + limit < total)


class Seen(NamedTuple):
    """An answer, and the whole listing at that time."""

    page: Page[float]
    listing: tuple[float, ...]


@attrs.define
class Walk:
    """One walk: what it is given, and what came of it."""

    server: Server
    limit: int
    page: int = 1
    ahead: int = 0
    kinds: tuple[str, ...] = ()
    rate: float = 0.0
    drains: bool = False
    changes_left: int = 10_000
    delivered: Counter[float] = attrs.field(factory=Counter)
    order: list[float] = attrs.field(factory=list)
    fed: list[Seen] = attrs.field(factory=list)
    asked: list[Ask] = attrs.field(factory=list)
    refused: bool = False
    under_way: dict[Ask, Seen | None] = attrs.field(factory=dict)
    plan: ExactPlan[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plan = ExactPlan(ids, self.page, self.limit)

    def run(self) -> None:
        """Drive the plan as a walk does: keep what is wanted under way, feed the first."""
        answered: set[Ask] = set()
        while not self.refused and (asks := self.plan.wanted(self.ahead)):
            assert len(asks) <= self.ahead + 1
            assert len(set(asks)) == len(asks)
            answered &= set(asks)
            new = [ask for ask in asks if ask not in self.under_way]
            assert all(offset_of(ask) < self.fed[-1].page.total for ask in new if ask != asks[0])
            self.asked += new
            self.under_way = {ask: self.under_way.get(ask) for ask in asks}
            self._pass_time(asks, answered)
            self._feed(asks[0], answered)

    def _pass_time(self, asks: Sequence[Ask], answered: set[Ask]) -> None:
        rng = self.server.listing.rng
        now = [ask for ask in asks if ask not in answered and (ask == asks[0] or rng.random() < 0.5)]
        moves = int(self.rate) + (rng.random() < self.rate % 1) if self.rate else 0
        events: list[Ask | None] = [*now, *[None] * moves]
        rng.shuffle(events)
        for event in events:
            if event is not None:
                answered.add(event)
                page = self.server.answer(event)
                self.under_way[event] = None if page is None else Seen(page, tuple(self.server.listing.items))
            elif self.changes_left:
                self.changes_left -= 1
                self.server.listing.change(rng.choice(self.kinds))

    def _feed(self, ask: Ask, answered: set[Ask]) -> None:
        seen = self.under_way.pop(ask)
        answered.remove(ask)
        if seen is None:
            self.refused = not self.plan.past_end(ask)
            assert self.refused == (not self.fed)
            return
        items = self.plan.feed(ask, seen.page)
        self.fed.append(seen)
        self.order += items
        self.delivered.update(items)
        if self.drains:
            self.server.listing.take(items)

    @property
    def start(self) -> int:
        first = self.fed[0].page
        return (first.page - 1) * first.limit

    def received(self) -> set[float]:
        """Return every item of every answer, but those that stood before the start."""
        pages = [seen.page for seen in self.fed]
        return {item for page in pages for item in page.items[max(0, self.start - (page.page - 1) * page.limit) :]}

    def lost(self) -> set[float]:
        """Return what was at or after the start from the first answer to the end, and was not delivered."""
        listing = self.server.listing
        return {
            item
            for item in self.fed[0].listing
            if item not in listing.ever_away and listing.foremost[item] >= self.start and item not in self.delivered
        }

    def invisible(self) -> set[float]:
        """Return what slipped through a seam that showed nothing: `total` as it always was, and no id twice so far."""
        slipped: set[float] = set()
        known = set(self.fed[0].page.items)
        calm = True
        for before, after in pairwise(self.fed):
            begin = (after.page.page - 1) * after.page.limit
            calm = calm and after.page.total == self.fed[0].page.total and known.isdisjoint(after.page.items)
            no_overlap = all(begin % size == 0 for size in range(1, min(self.limit, self.server.cap) + 1))
            if not (calm or (no_overlap and after.page.total == before.page.total)):
                continue
            known.update(after.page.items)
            passed = set(before.listing[(before.page.page * before.page.limit) :])
            slipped |= passed.intersection(after.listing[: (after.page.page - 1) * after.page.limit])
        return slipped


def make_walk(rng: random.Random) -> Walk:
    """Draw a listing, a server, a walk and what happens during it."""
    limit, size, page = rng.randint(1, 7), rng.randint(0, 60), rng.choice((1, 1, 1, 2, 4))
    server = Server(
        Listing(size, rng, (page - 1) * limit),
        rng.choice((1000, 1000, 3)),
        rng.choice((0, 0, 3)),
        missing=rng.random() < 0.3,
    )
    return Walk(
        server,
        limit,
        page,
        ahead=rng.choice((0, 0, 1, 2, 4)),
        kinds=rng.choice(MOODS),
        rate=rng.choice((0.1, 0.5, 1, 2, 5)),
        drains=rng.random() < 0.2,
        changes_left=rng.choice((1, 3, 10, 200)),
    )


def check(walk: Walk) -> None:
    """Assert what every walk promises."""
    walk.run()
    if walk.refused:
        return
    assert max(walk.delivered.values(), default=1) == 1
    assert walk.delivered.keys() == walk.received()
    pages = -(-walk.server.listing.largest // min(walk.limit, walk.server.cap))
    assert len(walk.fed) <= 5 * pages + 33
    assert walk.plan.settled is not None
    if walk.plan.settled:
        assert walk.lost() <= walk.invisible()


def calm_walk(size: int, limit: int, ahead: int = 0, cap: int = 1000) -> Walk:
    """Return a walk of a listing that stands still."""
    return Walk(Server(Listing(size, random.Random(0)), cap), limit, ahead=ahead)


# Walks that are drawn


def test_thousands_of_walks_lose_nothing_when_settled_and_deliver_nothing_twice() -> None:
    """Whatever moves, no item comes twice, a settled walk lost none, and every walk ends in good time."""
    settled = Counter[bool | None]()
    for seed in range(2000):
        walk = make_walk(random.Random(seed))
        check(walk)
        settled[walk.plan.settled] += 1
    assert settled[True] > 0.9 * settled.total()  # the rest are tiny pages under a storm of changes


def test_walks_settle_once_the_listing_has_come_to_rest() -> None:
    """A listing that changes a few times, however much at once, gives every walk the chance to settle."""
    for seed in range(1500):
        walk = make_walk(random.Random(seed))
        walk.changes_left, walk.drains = min(walk.changes_left, 3), False
        check(walk)
        assert walk.plan.settled or walk.refused, seed


@pytest.mark.parametrize("kinds", [("insert_head", "burst_in"), ("remove_anywhere", "burst_out")])
def test_movement_in_one_direction_is_never_missed(kinds: tuple[str, ...]) -> None:
    """Where `total` only grows or only shrinks, every movement shows, and a settled walk lost nothing at all."""
    for seed in range(600):
        walk = make_walk(random.Random(seed))
        walk.kinds, walk.drains, walk.changes_left = kinds, False, 40
        check(walk)
        assert not (walk.plan.settled and walk.lost())


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_any_walk_keeps_its_promises(rng: random.Random) -> None:
    """Hypothesis finds no script of changes that breaks what every walk promises."""
    check(make_walk(rng))


# A calm listing


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 7))
def test_a_calm_listing_costs_exactly_its_pages(size: int, limit: int, ahead: int) -> None:
    """A listing that stands still costs ceil(N / limit) requests, one if it is empty, looking ahead or not."""
    walk = calm_walk(size, limit, ahead)
    walk.run()
    assert len(walk.asked) == max(1, -(-size // limit))
    assert walk.order == list(range(size))
    assert (walk.plan.settled, walk.plan.duplicates) == (True, 0)


@given(st.integers(0, 60), st.integers(4, 9), st.integers(0, 7))
def test_a_lowered_limit_is_taken_over(size: int, limit: int, ahead: int) -> None:
    """A server that gives pages of 3 at most is asked for exactly the pages of 3 that there are."""
    walk = calm_walk(size, limit, ahead, cap=3)
    walk.run()
    assert len(walk.asked) == max(1, -(-size // 3))
    assert walk.order == list(range(size))


@pytest.mark.parametrize("total", [0, 7, 1000])
@pytest.mark.parametrize("ahead", [0, 4])
def test_has_more_decides_where_total_lies(total: int, ahead: int) -> None:
    """A total that is wrong neither cuts a walk short nor draws it out."""
    plan = ExactPlan[float](ids, 1, 10)
    items = tuple(map(float, range(35)))
    delivered: list[float] = []
    while asks := plan.wanted(ahead):
        begin, end = offset_of(asks[0]), end_of(asks[0])
        delivered += plan.feed(asks[0], Page(items[begin:end], total, asks[0].page, 10, has_more=end < 35))
    assert delivered == list(items)
    assert plan.settled


def test_an_empty_page_that_ends_a_full_one_is_no_movement() -> None:
    """A server that says `has_more` whenever a page is full costs one request more, and nothing else."""
    plan = ExactPlan[int](ids, 1, 2)
    assert plan.feed(Ask(1, 2), Page((1, 2), 2, 1, 2, has_more=True)) == [1, 2]
    assert plan.wanted(4) == (Ask(2, 2),)
    assert plan.feed(Ask(2, 2), Page((), 2, 2, 2, has_more=False)) == []
    assert plan.settled


# A listing that moves


def answer(plan: ExactPlan[int], items: list[int]) -> Sequence[int]:
    """Feed the first wanted ask from a listing."""
    ask = plan.wanted(0)[0]
    page = Page(tuple(items[offset_of(ask) : end_of(ask)]), len(items), *ask, has_more=end_of(ask) < len(items))
    return plan.feed(ask, page)


def test_what_is_held_back_comes_after_the_gap() -> None:
    """A removal in front opens a gap before page 2: the items of the gap come first, then those of page 2."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(40))
    assert answer(plan, listing) == list(range(10))
    del listing[:3]
    assert answer(plan, listing) == []
    order = [*range(10)]
    while plan.settled is None:
        order += answer(plan, listing)
    assert order == list(range(40))


def test_the_last_page_can_be_the_first_to_show_a_movement() -> None:
    """A total that changed only in the last answer is made sure of before the walk settles."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(25))
    delivered = [*answer(plan, listing), *answer(plan, listing)]
    del listing[0]
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert delivered == list(range(25))


def test_a_drained_filter_is_read_from_its_start() -> None:
    """A consumer that takes all it is given out of the listing still gets everything."""
    plan, listing, delivered = ExactPlan[int](ids, 1, 10), list(range(95)), list[int]()
    while plan.settled is None:
        delivered += answer(plan, listing)
        listing = [item for item in listing if item not in delivered]
    assert delivered == list(range(95))


def test_what_shows_in_neither_total_nor_ids_is_missed() -> None:
    """The presumption: one leaving in front while another joins at the end between two requests goes unseen."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(30))
    delivered = list(answer(plan, listing))
    listing = [*listing[1:], 30]
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert plan.settled
    assert 10 not in delivered


def test_what_showed_in_neither_is_found_by_a_movement_soon_after() -> None:
    """The first movement that shows has the last seams that were trusted made sure of."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(60))
    delivered = list(answer(plan, listing))
    listing = [*listing[1:], 60]
    delivered += answer(plan, listing)
    del listing[0]
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert sorted(delivered) == list(range(61))


def test_a_limit_lowered_in_the_middle_opens_no_gap() -> None:
    """Where the server lowers the limit while the listing moves unseen, the seam is made sure of."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(40))
    delivered = list(answer(plan, listing))
    listing = [*listing[10:], *range(40, 50)]
    plan.feed(plan.wanted(0)[0], Page(tuple(listing[5:10]), 40, 2, 5, has_more=True))
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert sorted(delivered) == list(range(50))


def test_nothing_from_before_the_start_is_delivered() -> None:
    """A walk from page 3 that has to step back does not deliver what stands before page 3."""
    plan, listing = ExactPlan[int](ids, 3, 10), list(range(60))
    delivered = list(answer(plan, listing))
    del listing[22:30]
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert delivered == list(range(20, 60))


def test_the_page_to_go_on_from_follows_what_is_joined() -> None:
    """The page to go on from is the next one while all is calm, and an earlier one where a gap is open."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(60))
    assert plan.resume_page == 1
    answer(plan, listing)
    assert plan.resume_page == 2
    del listing[:3]
    answer(plan, listing)
    assert plan.resume_page == 1


# A listing that breaks its contract


def test_an_empty_page_that_says_more_follow_is_refused() -> None:
    """An empty page with `has_more` true raises `PaginationError`."""
    plan = ExactPlan[int](ids, 1, 10)
    with pytest.raises(PaginationError, match="page 1 is empty"):
        plan.feed(Ask(1, 10), Page((), 5, 1, 10, has_more=True))


@pytest.mark.parametrize("limit", [1, 2, 10, 100])
def test_a_server_that_ignores_the_page_is_found_out(limit: int) -> None:
    """Three pages running with what the first one had raise `PaginationError`."""
    plan = ExactPlan[int](ids, 1, limit)
    items = tuple(range(limit))
    for _ in range(3):
        ask = plan.wanted(0)[0]
        plan.feed(ask, Page(items[: ask.limit], 500, *ask, has_more=True))
    ask = plan.wanted(0)[0]
    with pytest.raises(PaginationError, match="nothing new"):
        plan.feed(ask, Page(items[: ask.limit], 500, *ask, has_more=True))


@pytest.mark.parametrize("ahead", [0, 4])
def test_a_listing_that_outgrows_the_walk_is_left_unsettled(ahead: int) -> None:
    """A listing that grows by more than a page with every request is given up, and the walk ends."""
    plan, size, fed = ExactPlan[int](ids, 1, 10), 30, 0
    while asks := plan.wanted(ahead):
        size, fed = size + 15, fed + 1
        items = tuple(range(offset_of(asks[0]), min(end_of(asks[0]), size)))
        plan.feed(asks[0], Page(items, size, *asks[0], has_more=end_of(asks[0]) < size))
        assert fed < 200
    assert plan.settled is False


def test_a_refusal_is_the_end_only_where_it_can_be() -> None:
    """A 404 to the first ask of a walk, or to page 1, is an error; past the end it is a page to step back from."""
    assert not ExactPlan[int](ids, 1, 10).past_end(Ask(1, 10))
    assert not ExactPlan[int](ids, 4, 10).past_end(Ask(4, 10))
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(15))
    delivered = list(answer(plan, listing))
    del listing[2:8]
    assert plan.past_end(plan.wanted(0)[0])
    while plan.settled is None:
        delivered += answer(plan, listing)
    assert plan.settled
    assert delivered == list(range(15))


def test_a_server_that_refuses_what_its_total_shows_is_an_error() -> None:
    """A server that answers page 1 only, and refuses the rest of what it counts, is not believed for long."""
    plan, listing = ExactPlan[int](ids, 1, 10), list(range(500))
    for _ in range(100):
        ask = plan.wanted(0)[0]
        if ask.page == 1:
            answer(plan, listing)
        elif not plan.past_end(ask):
            break
    else:
        pytest.fail("the refusals were all believed")


# Which page to ask for


@given(st.integers(0, 3000), st.integers(1, 40))
def test_the_page_that_covers_an_offset_reaches_furthest(offset: int, limit: int) -> None:
    """No page of at most `limit` items that begins at the offset or before it reaches further."""
    ask = covering(offset, limit)
    assert ask.limit <= limit
    assert offset_of(ask) <= offset < end_of(ask)
    others = (Ask(page, size) for size in range(1, limit + 1) for page in range(1, offset // size + 2))
    assert end_of(ask) == max(end_of(other) for other in others if offset_of(other) <= offset)


@given(st.integers(1, 3000), st.integers(1, 12))
def test_a_boundary_is_where_every_size_of_page_ends(position: int, limit: int) -> None:
    """No page reaches across a position that all sizes divide, and some page reaches across any other."""
    assert is_boundary(position, limit) == all(position % size == 0 for size in range(1, limit + 1))


# The table


@pytest.mark.parametrize("ahead", [0, 4])
def test_the_simulation_loses_nothing_at_its_price(ahead: int) -> None:
    """In every scenario of the simulation all walks settle, lose nothing, and cost less than half as much again."""
    for scenario in simulation.SCENARIOS:
        result = simulation.measure(simulation.exact, scenario, 2, ahead, seeds=1)
        assert (result.lost, result.twice, result.walks - result.settled) == (0, 0, 0)
        assert result.requests < 1.4 * result.pages
    calm = simulation.measure(simulation.exact, simulation.CALM, 0, ahead, seeds=1)
    assert calm.requests == calm.pages


def burst(listing: simulation.Listing) -> None:
    """Let three pages come or go at once."""
    place = listing.rng.randint(0, len(listing.items))
    if listing.rng.getrandbits(1):
        listing.drop(listing.items[place : place + 300])
    else:
        for _ in range(300):
            listing.insert(place)


@pytest.mark.parametrize("ahead", [0, 4])
def test_bursts_larger_than_a_page_are_survived(ahead: int) -> None:
    """Three pages that come or go at once, twice a walk or so, lose nothing and cost no second reading."""
    scenario = simulation.Scenario("three pages at once", burst)
    result = simulation.measure(simulation.exact, scenario, 0.05, ahead, seeds=4)
    assert (result.lost, result.twice, result.walks - result.settled) == (0, 0, 0)
    assert result.requests < 1.7 * result.pages
