"""The program in a terminal: a pseudo-terminal shows what a user would see."""

import os
import re
import subprocess
import threading

import pytest

from .test_cli import PROGRAM, environment

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")
struct = pytest.importorskip("struct")

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[9[0-7]m|\x1b\[[0-9;]*38;5")
LIST = ("batches", "list", "--sandbox", "--max-items", "4")


def in_terminal(*arguments, piped=False, size=(24, 80), **more):
    """Run the program in a terminal, with stdout piped if wanted; return its exit code, the screen and the pipe."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    stdout = subprocess.PIPE if piped else side
    more = environment(**{"TERM": "xterm-256color"} | more)
    with subprocess.Popen([*PROGRAM, *arguments], stdin=side, stdout=stdout, stderr=side, env=more) as process:
        os.close(side)
        chunks = []
        reader = threading.Thread(target=_read_all, args=(main, chunks))
        reader.start()
        output = process.stdout.read() if piped else b""
        code = process.wait(timeout=20)
        reader.join()
    os.close(main)
    return code, b"".join(chunks).decode(), output.decode()


def _read_all(descriptor, chunks):
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    except OSError:  # so Linux says that the other side is closed
        pass


def test_a_table_with_colours_and_bars():
    """A terminal gets bars, colours by status and a progress bar that is gone at the end, in 80 columns."""
    code, screen, _ = in_terminal(*LIST)
    assert code == 0
    assert "Call batches" in screen  # the bar
    assert screen.index("Call batches") < screen.rindex("\x1b[2K") < screen.index("schedule_id")
    assert COLOUR.search(screen[screen.index("schedule_id") :])
    table = ESCAPE.sub("", screen[screen.index("schedule_id") :]).splitlines()
    assert max(map(len, table)) <= 80
    assert re.search(r"sched_\w{8} .+━─+ +\d+% +\d+/\d+", "\n".join(table))


def test_no_colours_where_they_are_not_wanted():
    """With NO_COLOR and `--quiet` there is no colour and no progress bar; the bars can be read all the same."""
    code, screen, _ = in_terminal(*LIST, "--quiet", NO_COLOR="1")
    assert code == 0
    assert not COLOUR.search(screen)
    assert "Call batches" not in screen
    assert "━─" in ESCAPE.sub("", screen)


def test_a_dumb_terminal():
    """A terminal that cannot move its cursor gets text alone: no escapes, a line for each look of a watch."""
    code, screen, _ = in_terminal("batches", "watch", "--sandbox", "--status", "completed", TERM="dumb")
    assert code == 0
    assert "\x1b" not in screen
    assert re.fullmatch(r"\d\d:\d\d:\d\d  pending 0  active 0  completed 8 .* contacts 100%\r\n", screen)


def test_piped_data_with_the_bar_in_the_terminal():
    """Where stdout is a pipe, the bar is in the terminal and not a byte of it in the data, whose names are whole."""
    code, screen, output = in_terminal(*LIST, piped=True, size=(24, 40))
    assert code == 0
    assert "Call batches" in screen
    assert "\x1b" not in output
    assert output.splitlines()[0].split() == ["schedule_id", "agent_name", "status", "progress", "contacts"]
    assert len(output.splitlines()) == 5
    assert "…" not in output


def test_a_watch_is_live_until_all_have_finished():
    """A watch redraws its table in place, hides the cursor only while it runs, and ends with 0 in the sandbox."""
    arguments = ("batches", "watch", "--sandbox", "--interval", "0.2", "--agent-id", "agt-57949b14")
    code, screen, _ = in_terminal(*arguments)
    assert code == 0
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1
    assert screen.count("of all contacts") > 3
    assert "active" in screen
    last = screen[screen.rindex("of all contacts") :]
    assert "active" not in last
    assert "completed" in last
