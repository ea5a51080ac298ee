"""The benchmarks run, count what they say they count, and their server keeps to the documented envelope."""

import json
import shutil
from collections.abc import Iterator

import pytest

from benchmarks.child import Job
from benchmarks.harness import Bench, Turn, compare, serve
from benchmarks.peers import PEERS
from benchmarks.server import State, render_page


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Give a harness with its server running."""
    with serve() as url:
        yield Bench(url, rounds=1)


@pytest.mark.parametrize("name", ["loop", "ours-0", "ours-1", "requests"])
def test_a_peer_walks_every_page(bench: Bench, name: str) -> None:
    """250 items are three requests, counted by the server, for an async peer, the SDK and a sync peer alike."""
    if missing := PEERS[name].missing:
        pytest.skip("not installed: " + ", ".join(missing))
    record = bench.once(Job(name, bench.url, [250]))[0]
    assert (record["items"], record["requests"]) == (250, 3)
    assert record["cpu"] > 0
    assert record["rss"] > 1_000_000


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_instructions_are_counted(bench: Bench) -> None:
    """A child that imports aiohttp and walks three pages takes hundreds of millions of instructions."""
    assert 100e6 < bench.instructions(Job("loop", bench.url, [250])) < 10e9


def test_pages_of_the_server_are_the_documented_ones() -> None:
    """Ids differ over all pages, the last page is short, and `has_more` ends there."""
    pages = [json.loads(render_page(page, 100, 250))["data"] for page in (1, 2, 3)]
    assert [len(page["items"]) for page in pages] == [100, 100, 50]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert len({item["schedule_id"] for page in pages for item in page["items"]}) == 250
    assert 32_000 < len(render_page(1, 100, 250)) < 34_000


def test_the_limiter_counts_refusals_by_window() -> None:
    """The third of two requests a window is refused, with the window's end as its reset."""
    state = State(rate=2, window=10)
    assert [state.take(now) for now in (101.0, 105.0, 109.9, 110.0)] == [(1, 110), (0, 110), (-1, 110), (1, 120)]


def test_ratios_are_taken_turn_by_turn() -> None:
    """A machine that turns twice as slow between two turns leaves the ratio as it was."""
    turns: list[Turn] = [([{"cpu": own}], [{"cpu": base}]) for own, base in ((6.0, 10.0), (12.0, 20.0))]
    figures = compare([{"peer": turns}], lambda records: float(records[0]["cpu"]))
    assert figures["peer"]["value"]["median"] == 9.0
    assert figures["peer"]["ratio"] == {"median": 0.6, "min": 0.6, "max": 0.6}


def test_a_fact_has_no_ratio() -> None:
    """What is counted and not compared is shown as it is."""
    turns: list[Turn] = [([{"requests": 3}], [{"requests": 3}])]
    figures = compare([{"loop": turns}], lambda records: float(records[0]["requests"]), ratio=False)
    assert figures == {"loop": {"value": {"median": 3, "min": 3, "max": 3}}}
