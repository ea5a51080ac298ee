"""Starts the server and the children, peers in turn, and boils their records down to medians and spreads."""

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.child import Job, Record
from benchmarks.peers import PEERS, REFERENCE
from benchmarks.peers.openapi_client import generate

ROOT = Path(__file__).parents[1]
QUICK_SCALE = 0.03

Turn = tuple[list[Record], list[Record] | None]  # a peer's records and those of the reference beside it
Rounds = list[dict[str, list[Turn]]]
Figure = dict[str, float]
Metric = Callable[[list[Record]], float]


@contextmanager
def serve() -> Iterator[str]:
    """Run the server in its own process; give its URL, and end it with the block."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pin(process, server=True)
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        # Leaving the block closes the server's standard input, which is its end.


def pin(process: subprocess.Popen[str], *, server: bool = False) -> None:
    """Give the server a core of its own, where the system allows it: without, the figures are twice as noisy."""
    if sys.platform == "linux" and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        with suppress(OSError):
            os.sched_setaffinity(process.pid, cores[:1] if server else cores[1:])


@dataclass
class Bench:
    """One run of the benchmarks: where the server is, who takes part and how often."""

    url: str
    rounds: int
    quick: bool = False  # a smoke test: all walks are much shorter, and few turns are taken
    only: Sequence[str] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "NO_PROXY": "*"})

    def items(self, count: int) -> int:
        """So many items, or a few per cent of them in whole pages."""
        return max(int(count * (QUICK_SCALE if self.quick else 1)) // 100, 1) * 100

    def peers(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that are wanted and can run; the reference always is."""
        wanted = [name for name in names if not self.only or name in self.only or name == REFERENCE]
        return [name for name in wanted if name not in self.skipped]

    def run(self, names: Sequence[str], job: Job, *, turns: int = 1) -> Rounds:
        """Do `job` in a fresh child for each peer, every second round in the opposite order.

        With more than one turn, a child of the reference runs beside each of a peer's and the two take turns: the
        machine changes its pace within seconds, and a ratio of neighbours does not. The reference's own pair then
        shows how much of a spread is noise.
        """
        names, turns = self.peers(names), min(turns, 2) if self.quick else turns
        rounds: Rounds = []
        for number in range(self.rounds):
            order = names if number % 2 == 0 else names[::-1]
            if turns > 1:
                rounds.append({name: self.alternate(replace(job, peer=name), turns) for name in order})
            else:
                records = {name: self.once(replace(job, peer=name)) for name in order}
                rounds.append({name: [(records[name], records.get(REFERENCE))] for name in names})
        return rounds

    def once(self, job: Job) -> list[Record]:
        """One turn of a child of its own."""
        with self.child(job) as take_turn:
            return take_turn()

    def alternate(self, job: Job, turns: int) -> list[Turn]:
        """So many turns of a peer and of the reference, one after the other."""
        with self.child(job) as own, self.child(replace(job, peer=REFERENCE)) as base:
            return [(own(), base()) for _ in range(turns)]

    def instructions(self, job: Job) -> int:
        """Count the instructions of a whole child that takes one turn, the kernel's left out."""
        progress(job.peer)
        valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
        command = [*valgrind, sys.executable, "-m", "benchmarks.child", job.to_json()]
        environment = {**self.environment, "PYTHONHASHSEED": "0"}
        streams: dict[str, Any] = {"input": "\n", "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, cwd=ROOT, env=environment, **streams)
        assert done.returncode == 0, f"{job.peer} has failed:\n{done.stderr}"
        progress("")
        return int(done.stderr.rpartition("refs:")[2].replace(",", ""))

    @contextmanager
    def child(self, job: Job) -> Iterator[Callable[[], list[Record]]]:
        """Start a fresh process; give the function that has it do the job once."""
        progress(job.peer)
        command = [sys.executable, "-m", "benchmarks.child", job.to_json()]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, env=self.environment, stdin=pipe, stdout=pipe, text=True) as process:
            pin(process)
            read_line(process, job.peer)  # warmed up: only one child may use the server at a time
            yield lambda: take_turn(process, job.peer)
        progress("")


def take_turn(process: subprocess.Popen[str], name: str) -> list[Record]:
    """Send the line that starts a turn and read its records."""
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    records: list[Record] = json.loads(read_line(process, name))
    return records


def read_line(process: subprocess.Popen[str], name: str) -> str:
    """Wait for the child's next line."""
    assert process.stdout
    line = process.stdout.readline()
    assert line, f"{name} has failed, as its traceback says"
    return line


@contextmanager
def bench(*, rounds: int, quick: bool = False, only: Sequence[str] = ()) -> Iterator[Bench]:
    """Make a `Bench` with its server up and the generated client on the children's path."""
    for package in ("benchmarks", "techladder_async"):
        # As an installer does. A child that has to compile would count that as the package's own time and memory.
        compileall.compile_dir(ROOT / package, quiet=1)
    with serve() as url, tempfile.TemporaryDirectory() as folder:
        ready = Bench(url, rounds, quick, only)
        missing = {name: peer.missing for name, peer in PEERS.items()}
        ready.skipped = {
            name: "not installed: " + ", ".join(packages) for name, packages in missing.items() if packages
        }
        if "openapi" in ready.peers(list(PEERS)):
            generate(Path(folder))
            ready.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        yield ready


def progress(text: str) -> None:
    """Show what runs, where someone is watching."""
    if sys.stderr.isatty():
        print(f"\r{text:<16}\r", end="", file=sys.stderr, flush=True)


def summarise(values: Sequence[float]) -> Figure:
    """Median and spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(rounds: Rounds, metric: Metric, *, ratio: bool = True) -> dict[str, dict[str, Figure]]:
    """For each peer the metric's value and, where wanted and possible, its ratio to the reference, turn by turn.

    A round counts as the median of its turns; the spread is that of the rounds.
    """
    return {name: boil_down([one_round(turn[name], metric, ratio=ratio) for turn in rounds]) for name in rounds[0]}


def one_round(turns: Sequence[Turn], metric: Metric, *, ratio: bool) -> tuple[float, float | None]:
    """Take the median value of a round and the median ratio of its pairs."""
    ratios = [metric(own) / metric(base) for own, base in turns if base and ratio]
    return statistics.median(metric(own) for own, _ in turns), statistics.median(ratios) if ratios else None


def boil_down(rounds: Sequence[tuple[float, float | None]]) -> dict[str, Figure]:
    """Summarise the values of all rounds and, where there are any, the ratios."""
    figures = {"value": summarise([value for value, _ in rounds])}
    ratios = [ratio for _, ratio in rounds if ratio is not None]
    return {**figures, "ratio": summarise(ratios)} if ratios else figures
