"""One peer, measured in a process that has done nothing else: for each line on its input it does its `Job` once."""

import asyncio
import gc
import http.client
import importlib
import json
import statistics
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.peers import PEERS

WARM_UP_ITEMS = 500
WARM_UP_PAGES = 50

Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What one child does in a turn: walks of these lengths, one after the other, and then single pages."""

    peer: str
    url: str
    walks: list[int] = field(default_factory=list)  # items
    single: int = 0  # pages
    latency: float = 0.0  # seconds
    rate: int = 0  # requests a window, 0 for no limit
    window: int = 60  # seconds

    def to_json(self) -> str:
        """Write it as the argument of the child."""
        return json.dumps(asdict(self))


def control(url: str, **settings: float) -> Record:
    """Ask the server for its counters; settings start it over. No client library: those are measured."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", "/control?" + urlencode(settings))
    counters: Record = json.load(connection.getresponse())
    connection.close()
    return counters


def peak_rss() -> int:
    """Peak resident memory of this process in bytes.

    From /proc where it exists: `ru_maxrss` survives exec there, so it would start at the peak of the parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415  # not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def drain(items: Any) -> int:
    """Take every item, from an async or a plain iterator, and count."""
    count = 0
    if hasattr(items, "__aiter__"):
        async for _ in items:
            count += 1
    else:
        for _ in items:
            count += 1
    return count


async def measure_walk(peer: Any, client: Any, items: int, job: Job) -> Record:
    """One walk with the server set up for it."""
    gc.collect()
    if job.rate:
        time.sleep(job.window - time.time() % job.window)  # noqa: ASYNC251  # nothing runs yet; start with a window
    control(job.url, total=items, latency=job.latency, rate=job.rate, window=job.window)
    cpu, wall = time.process_time(), time.perf_counter()
    count = await drain(peer.walk(client, **PEERS[job.peer].options))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert count == items, f"{job.peer} gave {count} of {items} items"
    return {"items": items, "cpu": cpu, "wall": wall, "rss": peak_rss(), **control(job.url)}


async def measure_single(peer: Any, client: Any, job: Job) -> Record:
    """Single awaited pages: the median time of one and the mean CPU."""
    control(job.url, total=1_000_000)
    for _ in range(WARM_UP_PAGES):
        await peer.fetch_page(client)
    walls, cpu = [], time.process_time()
    for _ in range(job.single):
        start = time.perf_counter()
        await peer.fetch_page(client)
        walls.append(time.perf_counter() - start)
    return {"page_cpu": (time.process_time() - cpu) / job.single, "page_wall": statistics.median(walls)}


async def run(job: Job) -> None:
    """Connect, warm up, and measure each time that a line comes in, until they end."""
    peer = importlib.import_module(f"benchmarks.peers.{PEERS[job.peer].module}")
    context = peer.connect(job.url)
    async with AsyncExitStack() as stack:
        asynchronous = hasattr(context, "__aenter__")
        client = await stack.enter_async_context(context) if asynchronous else stack.enter_context(context)
        # With the same window as later, for a client may hold a reset that goes backwards to be stale.
        control(job.url, total=WARM_UP_ITEMS, window=job.window)
        await drain(peer.walk(client, **PEERS[job.peer].options))
        print("ready", flush=True)  # the server is free for another child's walk
        for _ in sys.stdin:  # blocks the loop, on which nothing runs between two turns
            records = [await measure_walk(peer, client, items, job) for items in job.walks]
            if job.single:
                records.append(await measure_single(peer, client, job))
            print(json.dumps(records), flush=True)


def new_event_loop(job: Job) -> asyncio.AbstractEventLoop:
    """Make the event loop that the peer asks for."""
    if not PEERS[job.peer].uvloop:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  # an extra, and only some peers want it

    return uvloop.new_event_loop()


def main() -> None:
    """Do the job of the first argument."""
    job = Job(**json.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=lambda: new_event_loop(job)) as runner:
        runner.run(run(job))


if __name__ == "__main__":
    main()
