"""Horizontal bars for the README, drawn from `results.json`. Needs matplotlib."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: no display is needed

from matplotlib import pyplot as plt  # the backend has to be chosen first

from benchmarks.report import label

OURS, OTHERS, REFERENCE, INK = "#2563eb", "#c3c8d0", "#6b7280", "#1f2937"
Figures = dict[str, dict[str, dict[str, float]]]


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw a picture for each mode that has one and was measured."""
    drawn = []
    if "cpu" in results:
        figures = results["cpu"]["metrics"]["CPU per item, µs"]
        title = "CPU per item, against an aiohttp loop that yields dicts (less is better)"
        drawn.append(bars(figures, "ratio", title, "{:.2f}", folder / "cpu.png"))
    if "latency" in results:
        figures = results["latency"]["metrics"]["wall, s"]
        pages = results["latency"]["settings"]["items"] // 100
        title = f"Seconds for {pages} pages at 50 ms a request (less is better)"
        drawn.append(bars(figures, "value", title, "{:.2f} s", folder / "latency.png"))
    if "memory" in results:
        *_, figures, _ = results["memory"]["metrics"].values()
        items = results["memory"]["settings"]["items"][-1]
        title = f"Peak memory of the process in a walk of {items:,} items (less is better)"
        drawn.append(bars(figures, "value", title, "{:.1f} MB", folder / "memory.png"))
    return drawn


def colour(name: str) -> str:
    """Ours, the reference and the rest."""
    if name.startswith("ours"):
        return OURS
    return REFERENCE if name == "loop" else OTHERS


def bars(figures: Figures, kind: str, title: str, form: str, path: Path) -> Path:
    """One bar a peer, the least on top, with the spread as a thin line."""
    names = sorted(figures, key=lambda name: figures[name][kind]["median"], reverse=True)
    medians = [figures[name][kind]["median"] for name in names]
    spread = [
        [figures[name][kind]["median"] - figures[name][kind]["min"] for name in names],
        [figures[name][kind]["max"] - figures[name][kind]["median"] for name in names],
    ]
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.36 * len(names)), layout="constrained")
    error = {"ecolor": INK, "elinewidth": 1}
    rows = [label(name) for name in names]
    axes.barh(rows, medians, xerr=spread, error_kw=error, color=[colour(name) for name in names], height=0.7)
    for row, name in enumerate(names):
        text = form.format(figures[name][kind]["median"])
        place = (figures[name][kind]["max"], row)
        axes.annotate(text, place, xytext=(5, 0), textcoords="offset points", va="center", color=INK)
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlim(0, max(figures[name][kind]["max"] for name in names) * 1.12)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False, labelcolor=INK)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path
