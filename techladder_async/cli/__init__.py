"""The command line `techladder`. It needs the extra `cli` (Typer and Rich), and says so in one line without it.

    main → _app (arguments) → _run (exit codes) → _list, _watch, _stats, _serve → _writers, _plain, _look

Data goes to stdout, everything else to stderr. The exit codes:

    0    done; also when the reader of stdout went away, and for a sandbox that was stopped with Ctrl-C
    1    the API said no, could not be reached, or broke its own contract; or stdout could not be written
    2    usage: arguments, no key, a bad base URL, the extra is missing
    130  stopped with Ctrl-C; 143 with SIGTERM
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

_NEEDED = ("rich", "typer")


def main() -> int:
    """Run the program with the arguments of the process, and return its exit code."""
    _open_missing_streams()
    if any(find_spec(name) is None for name in _NEEDED):
        sys.stderr.write('techladder: the command line needs more packages: pip install "techladder_async[cli]"\n')
        return 2
    from ._app import start  # noqa: PLC0415  it needs the extra, which must not be a traceback where it is missing

    return start()


def _open_missing_streams() -> None:
    """Give the streams that the parent closed (`>&-`) a place to go; Python leaves `None` there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  for the whole process
