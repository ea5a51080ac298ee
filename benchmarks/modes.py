"""What is measured: one function a mode, each giving a `Section` of figures for the report."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from typing import Any

from benchmarks.child import Job, Record
from benchmarks.harness import ROOT, Bench, Metric, Rounds, boil_down, compare
from benchmarks.peers import PEERS, REFERENCE

# A title, the settings, and the metrics: for each peer its value and ratio.
Section = dict[str, Any]

MB = 1e6
TURNS = 4  # of a peer and the reference in a round, where time is compared
OURS = ["ours-0", "ours-1", "ours-7"]
IMPORTS = ("import aiohttp", "import techladder_async", "import httpx, pydantic", "import requests", "pass")


def pick(key: str, *, per: str = "", times: float = 1.0, walk: int = -1) -> Metric:
    """Make a metric: one field of one walk's record, in the unit wanted, per another field."""
    return lambda records: records[walk][key] * times / (records[walk][per] if per else 1)


def section(
    title: str, settings: dict[str, Any], rounds: Rounds, metrics: dict[str, Metric], facts: dict[str, Metric]
) -> Section:
    """Boil the rounds down to one section: metrics have a ratio to the reference, facts are shown as they are."""
    figures = {name: compare(rounds, metric) for name, metric in metrics.items()}
    figures |= {name: compare(rounds, metric, ratio=False) for name, metric in facts.items()}
    return {"title": title, "settings": {**settings, "rounds": len(rounds)}, "metrics": figures}


def cpu(bench: Bench) -> Section:
    """Every peer walks the same listing as fast as it can, in turns with the reference."""
    items = bench.items(20_000)
    rounds = bench.run(list(PEERS), Job("", bench.url, [items]), turns=TURNS)
    metrics: dict[str, Metric] = {
        "CPU per item, µs": pick("cpu", per="items", times=1e6),
        "items/s": lambda records: float(items / records[-1]["wall"]),
        "peak RSS, MB": pick("rss", times=1 / MB),
    }
    facts = {
        "requests": pick("requests"),
        "CPU per page, µs": pick("cpu", per="requests", times=1e6),
        "the server's, µs": pick("server_cpu", per="requests", times=1e6),
    }
    settings = {"items": items, "turns": TURNS, "least requests": math.ceil(items / 100)}
    return section("A walk at full speed", settings, rounds, metrics, facts)


def latency(bench: Bench) -> Section:
    """50 pages from a server that takes 50 ms for each."""
    items, delay = bench.items(5_000), 0.05
    rounds = bench.run(["loop", *OURS], Job("", bench.url, [items], latency=delay))
    settings = {"items": items, "latency, s": delay}
    title = "A walk with 50 ms a request"
    return section(title, settings, rounds, {"wall, s": pick("wall")}, {"requests": pick("requests")})


def memory(bench: Bench) -> Section:
    """Take a short walk and then a long one in the same process: the peak after each."""
    small, large = bench.items(10_000), bench.items(1_000_000)
    names = ["loop", *OURS, "httpx", "requests", "openapi"]
    rounds = bench.run(names, Job("", bench.url, [small, large]))
    metrics = {
        f"peak RSS after {small:,} items, MB": pick("rss", times=1 / MB, walk=0),
        f"after {large:,}, MB": pick("rss", times=1 / MB),
    }
    facts: dict[str, Metric] = {"growth, MB": lambda records: float((records[-1]["rss"] - records[0]["rss"]) / MB)}
    return section("Memory of a long walk", {"items": [small, large]}, rounds, metrics, facts)


def scaling(bench: Bench) -> Section:
    """CPU per item of a long walk over that of the short ones before and after it, in the same process."""
    small, large = bench.items(10_000), bench.items(1_000_000)
    walks = [small] * 10 + [large] + [small] * 10
    rounds = bench.run(["loop", *OURS], Job("", bench.url, walks))
    metrics: dict[str, Metric] = {
        f"CPU per item at {small:,}, µs": lambda records: cost(records, small),
        f"at {large:,}, µs": lambda records: cost(records, large),
    }
    facts: dict[str, Metric] = {"long over short": lambda records: cost(records, large) / cost(records, small)}
    return section("Cost of an item in a long walk", {"items": [small, large]}, rounds, metrics, facts)


def cost(records: list[Record], items: int) -> float:
    """Average the CPU per item, in µs, of the walks of this length."""
    return float(mean([record["cpu"] * 1e6 / items for record in records if record["items"] == items]))


def rate_limit(bench: Bench) -> Section:
    """Five windows' worth of pages, from the opening of a window on: the least time is until the fifth opens."""
    rate = bench.items(30_000) // 100
    windows, window = (2, 1) if bench.quick else (5, 2)
    least = (windows - 1) * window
    rounds = bench.run(OURS, Job("", bench.url, [windows * rate * 100], rate=rate, window=window))
    facts = {
        "429s in the first window": pick("rejected_first_window"),
        "429s later": pick("rejected_later"),
        "requests": pick("requests"),
        "wall, s": pick("wall"),
        "wall over least": pick("wall", times=1 / least),
    }
    settings = {"pages": windows * rate, "requests a window": rate, "window, s": window, "least, s": least}
    return section("A walk over the rate limit", settings, rounds, {}, facts)


def imports(bench: Bench) -> Section:
    """User and system time of a whole process that imports a package and ends, in turn."""
    for statement in IMPORTS:
        process_time(statement)  # once, so that its files are at hand
    turns = [{statement: process_time(statement) * 1e3 for statement in IMPORTS} for _ in range(bench.rounds)]
    base = IMPORTS[0]
    figures = {name: boil_down([(turn[name], turn[name] / turn[base]) for turn in turns]) for name in IMPORTS}
    settings = {"rounds": bench.rounds}
    return {"title": "Import", "settings": settings, "metrics": {"CPU of the process, ms": figures}}


def process_time(statement: str) -> float:
    """Seconds of CPU that a fresh interpreter takes for one statement."""
    process = subprocess.Popen([sys.executable, "-c", statement], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{statement!r} failed"
    return usage.ru_utime + usage.ru_stime


def single(bench: Bench) -> Section:
    """One awaited page of 100 at a time against the loop's own request."""
    pages = bench.items(10_000) // 100
    job = replace(Job("", bench.url), single=pages)
    rounds = bench.run(["loop", "orjson", "msgspec", "ours-0"], job, turns=TURNS)
    metrics = {"time per page, µs": pick("page_wall", times=1e6), "CPU per page, µs": pick("page_cpu", times=1e6)}
    return section("A single awaited page", {"pages": pages, "turns": TURNS}, rounds, metrics, {})


def instructions(bench: Bench) -> Section:
    """Count what one page more takes: the same each time, whatever else the machine does."""
    short, long = bench.items(20_000), bench.items(60_000)
    figures = {}
    for name in bench.peers(["loop", *OURS, "orjson", "msgspec", "attrs"]):
        least, most = (bench.instructions(Job(name, bench.url, [items])) for items in (short, long))
        figures[name] = (most - least) * 100 / (long - short)
    metrics = {
        "instructions per page": {name: boil_down([(own, own / figures[REFERENCE])]) for name, own in figures.items()}
    }
    settings = {"items": [short, long]}
    return {"title": "Instructions of a page, the kernel's left out", "settings": settings, "metrics": metrics}


# Each mode and how many rounds it has unless told otherwise.
MODES: dict[str, tuple[Callable[[Bench], Section], int]] = {
    "cpu": (cpu, 11),
    "latency": (latency, 3),
    "memory": (memory, 1),
    "scaling": (scaling, 5),
    "rate-limit": (rate_limit, 1),
    "import": (imports, 25),
    "single": (single, 11),
    "instructions": (instructions, 1),
}
BY_NAME_ONLY = ("instructions",)  # needs valgrind, which slows a child down fifty times
