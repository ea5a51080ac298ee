"""What a walk loses and reads twice while the listing changes under it, and what it costs to lose nothing.

`python -m benchmarks.simulation` prints the table as Markdown. Nothing is sent: the plans that the SDK walks by are
driven against a listing in memory, which changes between the requests and, where the walk looks ahead, among them.
Every row is the mean of seeded walks over 2,000 to 5,000 items in pages of 100, and comes out the same each time.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol

import attrs

from techladder_async._exact import ExactPlan
from techladder_async._page import Page
from techladder_async._plan import Ask, PlainPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LIMIT = 100
SIZES = (2000, 3000, 3717, 5000)
RATES = (0.5, 2, 5)
AHEAD = 4
ANSWERED_NOW = 0.4  # the chance of a request under way to be answered before the next page is delivered
BURST = 20  # requests from one burst to the next, on average


class Listing:
    """A listing in memory: integers in an order of their own, those that stay keep it."""

    def __init__(self, size: int, rng: random.Random) -> None:
        self.rng = rng
        self._fresh = count(size)
        self.items = list(range(size))

    def answer(self, ask: Ask) -> Page[int]:
        """Return the page as it is now."""
        begin = (ask.page - 1) * ask.limit
        end = begin + ask.limit
        total = len(self.items)
        return Page(tuple(self.items[begin:end]), total, ask.page, ask.limit, has_more=end < total)

    def insert(self, place: int) -> None:
        """Let a new item come in."""
        self.items.insert(place, next(self._fresh))

    def insert_anywhere(self) -> None:
        """Let a new item come in somewhere."""
        self.insert(self.rng.randint(0, len(self.items)))

    def remove_anywhere(self) -> None:
        """Let some item go."""
        if self.items:
            del self.items[self.rng.randrange(len(self.items))]

    def drop(self, gone: Iterable[int]) -> None:
        """Let these items go."""
        leaving = set(gone)
        self.items = [item for item in self.items if item not in leaving]


class Plan(Protocol):
    """What the simulation needs of a plan."""

    settled: bool | None

    def wanted(self, ahead: int) -> Sequence[Ask]:
        """Return the asks to have under way."""

    def feed(self, ask: Ask, answer: Page[int]) -> Sequence[int]:
        """Take the answer to the first of them, return what is delivered."""


class PlainLoop:
    """Page after page until `has_more` is false, as one writes it by hand."""

    def __init__(self) -> None:
        self.settled: bool | None = None
        self._page: int | None = 1

    def wanted(self, ahead: int) -> Sequence[Ask]:
        """Return the next page, and none of those `ahead`."""
        del ahead
        return () if self._page is None else (Ask(self._page, LIMIT),)

    def feed(self, ask: Ask, answer: Page[int]) -> Sequence[int]:
        """Deliver the page as it is."""
        self._page = ask.page + 1 if answer.has_more else None
        return answer.items


class Scenario(NamedTuple):
    """A name, the change that happens at a rate, and what the consumer does with what is delivered."""

    name: str
    change: Callable[[Listing], None]
    drains: bool = False
    bursts: bool = False


def insert_or_remove(listing: Listing) -> None:
    """Let a new item come in at the head, or some item go."""
    if listing.rng.getrandbits(1):
        listing.insert(0)
    else:
        listing.remove_anywhere()


SCENARIOS = (
    Scenario("inserts at the head", lambda listing: listing.insert(0)),
    Scenario("removals anywhere", Listing.remove_anywhere),
    Scenario("both, total often unchanged", insert_or_remove),
    Scenario("the consumer drains its own filter", lambda listing: listing.insert(0), drains=True),
    Scenario("churn in bursts", insert_or_remove, bursts=True),
    Scenario("inserts anywhere", Listing.insert_anywhere),
)
CALM = Scenario("calm", lambda _: None)


@attrs.define
class Result:
    """What came of some walks: items lost and delivered twice, walks, settled ones, requests, pages at the start."""

    lost: int = 0
    twice: int = 0
    walks: int = 0
    settled: int = 0
    requests: int = 0
    pages: int = 0

    def add(self, other: Result) -> None:
        """Add the other's numbers to these."""
        for name in attrs.fields_dict(Result):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def walk(plan: Plan, listing: Listing, scenario: Scenario, rate: float, ahead: int) -> Result:
    """Drive a plan to its end, with changes and answers in random order between two deliveries."""
    initial, delivered = list(listing.items), Counter[int]()
    under_way: dict[Ask, Page[int] | None] = {}
    requests = 0
    while asks := plan.wanted(ahead):
        requests += len(set(asks) - under_way.keys())
        under_way = {ask: under_way.get(ask) for ask in asks}
        pass_time(under_way, asks[0], listing, scenario, rate)
        answer = under_way.pop(asks[0])
        assert answer is not None
        items = plan.feed(asks[0], answer)
        delivered.update(items)
        if scenario.drains:
            listing.drop(items)
    staying = set(listing.items)
    return Result(
        lost=sum(item in staying and item not in delivered for item in initial),
        twice=sum(times - 1 for times in delivered.values()),
        walks=1,
        settled=bool(plan.settled),
        requests=requests,
        pages=max(-(-len(initial) // LIMIT), 1),
    )


def pass_time(
    under_way: dict[Ask, Page[int] | None], first: Ask, listing: Listing, scenario: Scenario, rate: float
) -> None:
    """Let the listing change, and the server answer the first request and some of the others, in random order."""
    rng = listing.rng
    answered = [
        ask for ask, page in under_way.items() if page is None and (ask == first or rng.random() < ANSWERED_NOW)
    ]
    events: list[Ask | None] = [*answered, *[None] * changes(scenario, rate, rng)]
    rng.shuffle(events)
    for event in events:
        if event is None:
            scenario.change(listing)
        else:
            under_way[event] = listing.answer(event)


def changes(scenario: Scenario, rate: float, rng: random.Random) -> int:
    """Return how many changes happen until the next delivery."""
    if scenario.bursts:
        return round(rate * BURST) if rng.random() < 1 / BURST else 0
    return int(rate) + (rng.random() < rate % 1)


def measure(make: Callable[[], Plan], scenario: Scenario, rate: float, ahead: int, seeds: int) -> Result:
    """Sum the walks over all sizes and some seeds."""
    result = Result()
    for seed in range(seeds):
        for size in SIZES:
            rng = random.Random(seed)  # noqa: S311 - a simulation that comes out the same each time, no secret
            result.add(walk(make(), Listing(size, rng), scenario, rate, ahead))
    return result


def ids(items: Sequence[int]) -> list[str]:
    """Tell the items apart by themselves."""
    return [str(item) for item in items]


def deduped() -> Plan:
    """Return the plan of a walk with `exact=False`."""
    return PlainPlan(ids, 1, LIMIT)


def exact() -> Plan:
    """Return the plan of a walk with `exact=True`."""
    return ExactPlan(ids, 1, LIMIT)


LOOPS: tuple[tuple[str, Callable[[], Plan], int], ...] = (
    ("plain loop", PlainLoop, 0),
    ("`exact=False`", deduped, 0),
    ("`exact=True`", exact, 0),
    (f"`exact=True`, looking {AHEAD} ahead", exact, AHEAD),
)


def main() -> None:
    """Print the table."""
    print("| scenario | changes a request | loop | lost | twice | settled | requests / ceil(N / limit) |")
    print("|---|---|---|---|---|---|---|")
    for scenario, rate in [*((s, rate) for s in SCENARIOS for rate in RATES), (CALM, 0)]:
        for name, make, ahead in LOOPS:
            r = measure(make, scenario, rate, ahead, seeds=6)
            settled = f"{r.settled} of {r.walks}" if make is exact else "-"
            lost, twice = (f"{n / r.walks:.1f}".removesuffix(".0") for n in (r.lost, r.twice))
            print(f"| {scenario.name} | {rate} | {name} | {lost} | {twice} | {settled} | {r.requests / r.pages:.2f} |")


if __name__ == "__main__":
    main()
