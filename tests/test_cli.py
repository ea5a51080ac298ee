"""The program as a process of its own: exit codes, streams, signals and pipes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from techladder_async.sandbox import Fault, Sandbox

PROGRAM = [sys.executable, "-m", "techladder_async"]


def environment(**more):
    """Return the environment for a run, without the settings of whoever runs the tests."""
    ours = ("TECHLADDER_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def run(*arguments, program=PROGRAM, **more):
    """Run the program to its end."""
    return subprocess.run([*program, *arguments], capture_output=True, env=environment(**more), timeout=20, check=False)


@contextlib.contextmanager
def running(*arguments, **more):
    """Give a process that is killed if the test leaves it running."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*PROGRAM, *arguments], stdout=pipe, stderr=pipe, env=environment(**more)) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def sandbox():
    """Serve a sandbox that a process can reach through the environment."""
    with Sandbox() as sandbox:
        yield sandbox


def settings(sandbox):
    """Return the environment that leads to a sandbox."""
    return {"TECHLADDER_API_KEY": sandbox.api_key, "TECHLADDER_BASE_URL": sandbox.url}


def test_json_is_one_valid_document_of_what_was_asked_for():
    """`--sandbox` needs neither key nor URL, and `json` gives a valid array of pending batches alone."""
    wrong = {"TECHLADDER_API_KEY": "sk_wrong", "TECHLADDER_BASE_URL": "http://127.0.0.1:1"}
    done = run("batches", "list", "--sandbox", "--status", "pending", "--output", "json", **wrong)
    assert (done.returncode, done.stderr) == (0, b"")
    batches = json.loads(done.stdout)
    assert len(batches) > 20
    assert {batch["status"] for batch in batches} == {"pending"}


def test_three_requests_for_120_batches_by_50(sandbox):
    """`--max-items 120 --limit 50` prints 120 lines after three requests; the log goes to stderr."""
    more = settings(sandbox) | {"TECHLADDER_LOG": "debug"}
    done = run("batches", "list", "--max-items", "120", "--limit", "50", "--output", "ndjson", **more)
    ids = [json.loads(line)["schedule_id"] for line in done.stdout.splitlines()]
    assert ids == [batch["schedule_id"] for batch in sandbox.batches[:120]]
    assert [request.query["page"] for request in sandbox.requests] == ["1", "2", "3"]
    assert done.stderr.count(b"GET") == 3
    assert sandbox.api_key.encode() not in done.stderr


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra(missing):
    """Where Typer or Rich is missing, one line says what to install, and the exit code is 2."""
    code = f"import sys; sys.modules[{missing!r}] = None; from techladder_async.cli import main; sys.exit(main())"
    done = run("--version", program=[sys.executable, "-c", code])
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.endswith(b'pip install "techladder_async[cli]"\n')
    assert done.stderr.count(b"\n") == 1


def test_help_does_not_load_the_sandbox():
    """A help text is shown without the sandbox's server and the tables having been loaded."""
    code = (
        "import sys; sys.argv[1:] = ['batches', 'list', '--help']; from techladder_async.cli import main; main(); "
        "print({'techladder_async.sandbox', 'rich.progress', 'rich.live'} & set(sys.modules))"
    )
    done = run(program=[sys.executable, "-c", code])
    assert b"--agent-id" in done.stdout
    assert done.stdout.endswith(b"set()\n")


def test_ctrl_c_in_the_middle_of_a_walk(sandbox):
    """SIGINT while a page is waited for ends the program at once with 130 and one line; what came is on stdout."""
    sandbox.fail_next(Fault.delay(0))
    sandbox.fail_next(Fault.delay(60), times=5)
    with running("batches", "list", "--output", "json", **settings(sandbox)) as process:
        assert process.stdout.readline() == b"[\n"
        before = time.perf_counter()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (130, b"techladder: interrupted\n")
    assert time.perf_counter() - before < 2
    assert not rest.endswith(b"]\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGTERM")
def test_sigterm_ends_a_watch():
    """SIGTERM ends a watch like Ctrl-C, with 143."""
    with running("batches", "watch", "--sandbox") as process:
        assert b"pending" in process.stdout.readline()
        process.terminate()
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (143, b"techladder: terminated\n")


def test_a_reader_that_goes_away():
    """A closed pipe ends the program quietly and with 0, and stays quiet in the interpreter's last flush."""
    with running("batches", "list", "--sandbox", "--output", "ndjson") as process:
        assert process.stdout.read(1) == b"{"
        process.stdout.close()
        errors = process.stderr.read()
        assert (process.wait(timeout=10), errors) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_a_full_disk():
    """Output that cannot be written is one line and exit code 1."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123  it is no path to work with
        command = [*PROGRAM, "batches", "list", "--sandbox", "--output", "csv"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, b"techladder: No space left on device\n")


def test_the_sandbox_serves_until_ctrl_c():
    """`techladder sandbox` prints lines to copy, serves what they say, and Ctrl-C ends it with 0 and one line."""
    with running("sandbox", "--batches", "7", "--rate-limit", "2") as process:
        lines = [process.stdout.readline().decode().strip() for _ in range(7)]
        exported = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(lines)))
        key, url = exported["TECHLADDER_API_KEY"], exported["TECHLADDER_BASE_URL"]
        curl = re.fullmatch(r"curl -H '(\S+): (.+)' '(\S+)'", lines[6])
        assert curl is not None
        assert curl[2] == f"Bearer {key}"
        assert curl[3].startswith(url)
        with urllib.request.urlopen(urllib.request.Request(curl[3], headers={curl[1]: curl[2]}), timeout=5) as answer:
            assert answer.headers["X-RateLimit-Limit"] == "2"
            assert json.load(answer)["data"]["total"] == 7
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=5)
    assert (process.returncode, rest, errors) == (0, b"", b"techladder: the sandbox has stopped\n")
