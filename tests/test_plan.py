"""The plain plan, without a network: which pages it asks for, and what it delivers of whatever it is answered."""

from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import given, strategies as st

from techladder_async import Page, PaginationError
from techladder_async._plan import Ask, PlainPlan

numbers = st.integers(1, 100)
totals = st.integers(-(10**12), 10**12) | st.just(0)


def ids(items: Sequence[int]) -> list[str]:
    """Tell the items apart by themselves."""
    return [str(item) for item in items]


@attrs.define
class Server:
    """A listing that stands still. `cap` says the largest page of each request, `lie` the total."""

    items: Sequence[int]
    cap: Callable[[int], int] = lambda _request: 100
    lie: Callable[[int], int] | None = None
    asked: list[Ask] = attrs.field(factory=list)

    def answer(self, ask: Ask) -> Page[int]:
        self.asked.append(ask)
        request = len(self.asked)
        limit = min(ask.limit, self.cap(request))
        begin, end = (ask.page - 1) * limit, ask.page * limit
        total = len(self.items) if self.lie is None else self.lie(request)
        return Page(tuple(self.items[begin:end]), total, ask.page, limit, end < len(self.items))


def walk(
    plan: PlainPlan[int], server: Callable[[Ask], Page[int]], bound: int, ahead: int = 0, total: int | None = None
) -> list[int]:
    """Walk to the end, which must come within `bound` requests; on the way, look at what is wanted ahead."""
    delivered: list[int] = []
    for _ in range(bound):
        asks = plan.wanted(ahead)
        if not asks:
            return delivered
        pages = [ask.page for ask in asks]
        assert pages == list(range(pages[0], pages[0] + len(pages)))
        assert len(pages) <= 1 + ahead
        assert {ask.limit for ask in asks} == {asks[0].limit}
        if total is not None:
            assert all((ask.page - 1) * ask.limit < total for ask in asks[1:])
        delivered += plan.feed(asks[0], server(asks[0]))
    assert not plan.wanted(ahead), "the walk does not end"
    return delivered


@given(size=st.integers(0, 1500), limit=numbers, page=st.integers(1, 20), ahead=st.integers(0, 9))
def test_a_still_listing(size: int, limit: int, page: int, ahead: int) -> None:
    """Everything from the first page on comes once, in order, with exactly ceil(N / limit) requests."""
    server = Server(range(size))
    plan = PlainPlan(ids, page, limit)
    expected = range((page - 1) * limit, size)
    requests = max(1, -(-len(expected) // limit))
    assert walk(plan, server.answer, requests, ahead, size) == list(expected)
    assert server.asked == [Ask(page + n, limit) for n in range(requests)]
    assert plan.duplicates == 0
    assert plan.settled is None


@given(
    size=st.integers(0, 600),
    limit=numbers,
    first=numbers,
    later=numbers,
    turn=st.integers(1, 9),
    page=st.integers(1, 4),
)
def test_a_lowered_limit(*, size: int, limit: int, first: int, later: int, turn: int, page: int) -> None:
    """A limit that the server lowers, at the start or on the way, is taken over, and nothing is lost or comes twice."""
    server = Server(range(size), lambda request: first if request < turn else min(first, later))
    plan = PlainPlan(ids, page, limit)
    delivered = walk(plan, server.answer, 2 * size + 2)
    assert len(set(delivered)) == len(delivered)
    assert set(delivered) >= set(range((page - 1) * min(limit, server.cap(1)), size))
    assert page > 1 or delivered == list(range(size))
    asked = [ask.limit for ask in server.asked]
    assert asked[1:] == [min(limit, *map(server.cap, range(1, n + 1))) for n in range(1, len(asked))]


@given(items=st.lists(st.integers(0, 60), max_size=300), limit=numbers, ahead=st.integers(0, 9))
def test_repeated_ids(items: list[int], limit: int, ahead: int) -> None:
    """An id that comes again, within a page or pages later, is delivered the first time only, and counted."""
    plan = PlainPlan(ids, 1, limit)
    expected = list(dict.fromkeys(items))
    try:
        assert walk(plan, Server(items).answer, len(items) + 1, ahead) == expected
    except PaginationError:
        # Three pages with nothing new: there must be such in the list.
        pages = [items[n : n + limit] for n in range(0, len(items), limit)]
        stale = [set(page) <= {i for before in pages[:n] for i in before} for n, page in enumerate(pages)]
        assert any(all(stale[n : n + 3]) for n in range(len(stale) - 2))
    else:
        assert plan.duplicates == len(items) - len(expected)


@given(size=st.integers(0, 600), limit=numbers, lies=st.lists(totals, min_size=1), ahead=st.integers(0, 9))
def test_a_total_that_lies(size: int, limit: int, lies: list[int], ahead: int) -> None:
    """Whatever `total` says, `has_more` decides: all items, and not a request more."""
    server = Server(range(size), lie=lambda request: lies[request % len(lies)])
    assert walk(PlainPlan(ids, 1, limit), server.answer, max(1, -(-size // limit)), ahead) == list(range(size))


answers = st.builds(
    Page,
    st.lists(st.integers(0, 40), max_size=6).map(tuple),
    totals,
    st.just(0),
    st.integers(-5, 200),
    st.booleans() | st.just(True),
)


@given(script=st.lists(answers, min_size=1, max_size=300), limit=numbers, ahead=st.integers(0, 9))
def test_it_ends_whatever_is_answered(script: list[Page[int]], limit: int, ahead: int) -> None:
    """No answers, however mad, keep it going for ever or make it deliver twice: of 41 ids, at most 3 pages for each."""
    plan = PlainPlan(ids, 1, limit)
    delivered: list[int] = []
    rounds = 0
    try:
        while asks := plan.wanted(ahead):
            answer = attrs.evolve(script[rounds % len(script)], page=asks[0].page)
            rounds += 1
            delivered += plan.feed(asks[0], answer)
            assert all(1 <= ask.limit <= limit for ask in plan.wanted(ahead))
    except PaginationError:
        pass
    assert rounds <= 3 * 41
    assert len(set(delivered)) == len(delivered)


@given(size=st.integers(1, 600), limit=numbers, cap=numbers, stop=st.integers(0, 20), page=st.integers(1, 4))
def test_going_on_after_an_error(size: int, limit: int, cap: int, stop: int, page: int) -> None:
    """Whenever a walk stops, one from its `resume_page` gives the rest: nothing is lost in between."""
    server = Server(range(size), lambda _request: cap)
    plan = PlainPlan(ids, page, limit)
    delivered: list[int] = []
    for _ in range(stop):
        for ask in plan.wanted(0):
            delivered += plan.feed(ask, server.answer(ask))
    if not plan.wanted(0):
        return
    if not stop:
        assert plan.resume_page == page
    rest = walk(PlainPlan(ids, plan.resume_page, limit), server.answer, size + 1)
    begin = (page - 1) * min(limit, cap)
    assert delivered + rest == list(range(begin, size))


@pytest.mark.parametrize("bad", ["empty", "stale"])
def test_going_on_after_a_broken_page(bad: str) -> None:
    """A page that breaks the contract is itself the one to go on from, in the size that the server gives."""
    plan = PlainPlan(ids, 1, 100)
    plan.feed(Ask(1, 100), Page(tuple(range(100)), 1000, 1, 100, has_more=True))
    items: tuple[int, ...] = () if bad == "empty" else (1, 2)
    broken = [Page(items, 1000, number, 100, has_more=True) for number in (2, 3, 4)]
    with pytest.raises(PaginationError, match="empty" if bad == "empty" else "pages 2 to 4 "):
        [plan.feed(Ask(page.page, 100), page) for page in broken]
    assert plan.resume_page == (2 if bad == "empty" else 4)


def test_nothing_new_in_the_last_page_is_no_error() -> None:
    """A third page with nothing new that is the last one is the end."""
    plan = PlainPlan(ids, 1, 2)
    for number in (1, 2, 3):
        plan.feed(Ask(number, 2), Page((1, 2), 8, number, 2, has_more=True))
    assert plan.feed(Ask(4, 2), Page((1, 2), 8, 4, 2, has_more=False)) == ()
    assert plan.wanted(5) == ()
    assert plan.duplicates == 6


def test_memory_is_bounded() -> None:
    """The last 10,000 ids are known, and not many more."""
    plan = PlainPlan(ids, 1, 100)
    pages = [tuple(range(start, start + 100)) for start in range(0, 50_000, 100)]

    def feed(number: int, items: Sequence[int]) -> Sequence[int]:
        fresh = plan.feed(Ask(number, 100), Page(tuple(items), 0, number, 100, has_more=True))
        assert len(plan._delivered._known) < 19_500
        return fresh

    for number, items in enumerate(pages[:195], 1):
        assert feed(number, items) == items
    assert len(plan._delivered._known) == 10_000  # the older ones have just been forgotten
    assert feed(196, pages[95]) == ()
    assert feed(197, pages[94]) == pages[94]
    for number, items in enumerate(pages[195:], 198):
        assert feed(number, items) == items
    assert feed(503, pages[400]) == ()


@pytest.mark.parametrize("size", [1, 7, 99, 100])
def test_no_fewer_are_remembered(size: int) -> None:
    """Pages are forgotten whole, the oldest first, and never so many that fewer than 10,000 ids are left."""
    plan, known, left = PlainPlan(ids, 1, size), 0, []
    for number in range(1, 40_000 // size):
        items = tuple(range(number * size, (number + 1) * size))
        assert plan.feed(Ask(number, size), Page(items, 0, number, size, has_more=True)) == items
        before, known = known, len(plan._delivered._known)
        if known < before:
            left.append(known)
    assert left
    assert all(10_000 <= known < 10_000 + size for known in left)


@pytest.mark.parametrize(
    ("total", "refused", "believed"),
    [
        (300, 3, True),
        (300, 4, True),
        (0, 2, True),
        (-5, 2, True),
        (1200, 3, True),
        (1201, 3, False),
        (10**12, 2, False),
    ],
)
def test_a_refusal_past_the_first_page(total: int, refused: int, believed: bool) -> None:
    """A refused page is the end where `total` showed at most ten more pages, it included; else it is an error."""
    plan = PlainPlan(ids, 1, 100)
    for number in range(1, refused):
        plan.feed(Ask(number, 100), Page((number,), total, number, 100, has_more=True))
    assert plan.past_end(Ask(refused, 100)) is believed
    assert bool(plan.wanted(3)) is not believed


@pytest.mark.parametrize("page", [1, 7])
def test_a_refusal_of_the_first_page(page: int) -> None:
    """The page that a walk begins with is never past the end."""
    plan = PlainPlan(ids, page, 100)
    assert not plan.past_end(Ask(page, 100))
    assert plan.wanted(3) == (Ask(page, 100),)
