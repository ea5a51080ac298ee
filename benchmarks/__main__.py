"""`python -m benchmarks [MODE ...]`: measure, print, write `results.json` and draw the pictures."""

import argparse
import importlib.util
import shutil
from pathlib import Path

from benchmarks.harness import bench
from benchmarks.modes import BY_NAME_ONLY, MODES
from benchmarks.peers import PEERS
from benchmarks.report import Results, goals, save, server_share, stamp, table

FIGURES = Path(__file__).with_name("figures")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    modes = f"any of {', '.join(MODES)}, or all, which leaves out {', '.join(BY_NAME_ONLY)} (default: cpu)"
    parser.add_argument("modes", nargs="*", metavar="MODE", help=modes)
    parser.add_argument("--rounds", type=int, help="rounds of every mode, instead of its own number")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=(), help="only these, and the reference")
    parser.add_argument("--quick", action="store_true", help="a smoke test: one short round, nothing written")
    parser.add_argument("--output", type=Path, help="folder of results.json and the pictures (default: figures)")
    arguments = parser.parse_args()
    if unknown := set(arguments.modes) - {*MODES, "all"}:
        parser.error(f"no such mode: {', '.join(sorted(unknown))}")
    if "instructions" in arguments.modes and not shutil.which("valgrind"):
        parser.error("the mode instructions needs valgrind, which is not installed")
    return arguments


def main() -> None:
    """Run the modes asked for."""
    arguments = parse()
    wanted = {*arguments.modes} or {"cpu"}
    modes = [mode for mode in MODES if mode in wanted or ("all" in wanted and mode not in BY_NAME_ONLY)]
    folder = arguments.output or (None if arguments.quick else FIGURES)
    results: Results = {}
    with bench(rounds=1, quick=arguments.quick, only=arguments.peers) as ready:
        for name, reason in ready.skipped.items():
            print(f"skipped {PEERS[name].label}: {reason}")
        for mode in modes:
            measure, rounds = MODES[mode]
            ready.rounds = arguments.rounds or (1 if arguments.quick else rounds)
            results[mode] = stamp(measure(ready))
            print("\n".join(table(results[mode])), end="\n\n", flush=True)
            if folder:
                save(results, folder)
    # A smoke test's figures say nothing about goals.
    print("\n".join([*server_share(results), *(() if arguments.quick else goals(results))]))
    if folder:
        draw_pictures(results, folder)


def draw_pictures(results: Results, folder: Path) -> None:
    """Draw the pictures of these results, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        print("no pictures: matplotlib is not installed")
        return
    from benchmarks.figures import draw  # noqa: PLC0415  # an extra, and it would weigh on every run

    draw(results, folder)


if __name__ == "__main__":
    main()
