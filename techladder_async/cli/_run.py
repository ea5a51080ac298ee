"""Runs a command's work, and turns whatever ends it into an exit code and at most one line on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TextIO

from .._text import one_line
from ..errors import ConfigurationError, TechLadderError

OK, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
_NO_OPTION = ", or pass allow_insecure=True"  # advice for programmers: the program does not offer it
_LONGEST = 2000  # characters of an error's line: enough for any message with its URL


class Failure(Exception):  # noqa: N818  it is no mistake of the program: it ends it with a sentence and an exit code
    """Ends the program with one line on stderr."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


class _Terminated(Exception):  # noqa: N818  a wish, not an error
    """SIGTERM came."""


def run(work: Coroutine[Any, Any, None], *, interrupted: tuple[str, int] = ("interrupted", INTERRUPTED)) -> int:
    """Run the work in an event loop of its own and return the program's exit code.

    `interrupted` is what Ctrl-C comes to: the line to say, and the exit code.
    """
    try:
        asyncio.run(_unless_terminated(work))
        sys.stdout.flush()
    except KeyboardInterrupt:
        text, code = interrupted
    except _Terminated:
        text, code = "terminated", TERMINATED
    except Failure as failure:
        text, code = str(failure), failure.code
    except ConfigurationError as error:
        text, code = str(error).replace(_NO_OPTION, ""), USAGE
    except TechLadderError as error:
        text, code = str(error), FAILED
    except BrokenPipeError:
        # The reader has seen enough, as `head` does: that is its business, and no failure.
        _silence(sys.stdout)
        return OK
    except OSError as error:
        _silence(sys.stdout)  # what is left in the buffer would fail once more, loudly, at exit
        text, code = error.strerror or str(error), FAILED
    else:
        return OK
    return complain(text, code)


def complain(text: str, code: int) -> int:
    """Write one line to stderr, with nothing in it that a terminal would obey, and return the code."""
    try:
        sys.stderr.write(f"techladder: {one_line(text, _LONGEST)}\n")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)
    return code


async def _unless_terminated(work: Coroutine[Any, Any, None]) -> None:
    """Let SIGTERM end the work like Ctrl-C does, so that connections are closed and the terminal is put right."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows; a thread other than the main one
        loop.add_signal_handler(signal.SIGTERM, task.cancel, _Terminated.__name__)
    try:
        await task
    except asyncio.CancelledError as error:
        if error.args == (_Terminated.__name__,):
            raise _Terminated from None
        raise


def _silence(stream: TextIO) -> None:
    """Point a stream at nothing: its buffer is flushed when the interpreter ends, and must not fail again then."""
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
