"""Tables for the terminal, figures as JSON, and the goals that the SDK sets itself."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.modes import Section
from benchmarks.peers import PEERS

Results = dict[str, Any]

PACKAGES = [
    *("aiohttp", "yarl", "attrs", "cattrs", "msgspec", "uvloop"),
    *("orjson", "httpx", "pydantic", "requests", "openapi-python-client"),
]
# mode, a part of the metric's name, who, "ratio" to the reference or "value", at most
GOALS = [
    ("cpu", "CPU per item", "ours-0", "ratio", 0.75),
    ("cpu", "CPU per item", "ours-1", "ratio", 0.80),
    ("memory", "after 1,000,000", "ours-1", "ratio", 1.05),
    ("memory", "growth", "ours-1", "value", 2.0),
    ("scaling", "long over short", "ours-0", "value", 1.03),
    ("import", "CPU of the process", "import techladder_async", "ratio", 1.15),
    ("single", "time per page", "ours-0", "ratio", 1.10),
]


def machine() -> dict[str, Any]:
    """Say what the figures were taken on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()}, {' '.join(platform.libc_ver())}".rstrip(", "),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": versions,
    }


def cpu_model() -> str:
    """Find the processor's name, as far as the system tells."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def show(figure: dict[str, dict[str, float]]) -> str:
    """Write a median and, where there is one, the ratio with its spread: `3.21  0.68 (0.66-0.71)`."""
    text = number(figure["value"]["median"])
    if "ratio" in figure:
        ratio = figure["ratio"]
        return f"{text}  {ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})"
    low, high = number(figure["value"]["min"]), number(figure["value"]["max"])
    return text if low == high else f"{text} ({low}-{high})"


def number(value: float) -> str:
    """Three digits that matter, or all of a larger number."""
    if value == int(value) or abs(value) >= 100:  # noqa: PLR2004  # where the third digit is the last before the point
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(section: Section) -> Iterator[str]:
    """Lay one section out: a row for each peer, a column for each metric."""
    metrics = section["metrics"]
    names = list(next(iter(metrics.values())))
    rows = [["", *metrics]]
    rows += [[label(name), *(show(figures[name]) for figures in metrics.values())] for name in names]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    settings = ", ".join(f"{key} {value}" for key, value in section["settings"].items() if key != "walks")
    yield f"{section['title']}: {settings}"
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def label(name: str) -> str:
    """Give a peer's label, or the name itself where it is none."""
    return PEERS[name].label if name in PEERS else name


def goals(results: Results) -> Iterator[str]:
    """One line for each goal that was measured."""
    for mode, metric, name, kind, most in GOALS:
        for title, figures in results.get(mode, {}).get("metrics", {}).items():
            if metric in title and kind in figures.get(name, {}):
                value = figures[name][kind]["median"]
                verdict = "met" if value <= most else "MISSED"
                yield f"{verdict:<7} {value:.3f}, at most {most:.2f}: {label(name)}, {title} ({kind})"
    for name, figure in results.get("cpu", {}).get("metrics", {}).get("requests", {}).items():
        if name.startswith("ours"):
            least, most = results["cpu"]["settings"]["least requests"], figure["value"]["max"]
            yield f"{'met' if most == least else 'MISSED':<7} {most:.0f} requests, exactly {least}: {label(name)}"


def server_share(results: Results) -> Iterator[str]:
    """Show that the server waits for the clients, and not they for it."""
    if "cpu" in results:
        metrics = results["cpu"]["metrics"]
        costs = {name: figure["value"]["median"] for name, figure in metrics["the server's, µs"].items()}
        shares = [cost / metrics["CPU per page, µs"][name]["value"]["median"] for name, cost in costs.items()]
        yield (
            f"The server takes {min(costs.values()):.0f} to {max(costs.values()):.0f} µs of CPU a page on a core of "
            f"its own, {min(shares):.2f} to {max(shares):.2f} of what the client takes."
        )


def save(results: Results, folder: Path) -> None:
    """Write `results.json`; modes that this run left out stay as they were, each section has its own date."""
    path = folder / "results.json"
    folder.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **results}, indent=1, ensure_ascii=False) + "\n")


def stamp(section: Section) -> Section:
    """Add what the section was measured on and when."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="minutes")
    return {**section, "measured_at": now, "machine": machine()}
