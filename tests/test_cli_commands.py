"""The commands, run in this process against a sandbox in a thread: what they print, and what they say of errors."""

import csv
import io
import json
import re
import sys

import pytest

import techladder_async
from techladder_async import RetryPolicy
from techladder_async.cli import main
from techladder_async.cli._source import Query, Source
from techladder_async.cli._watch import watch_batches
from techladder_async.sandbox import Fault, Sandbox

EVIL = "[red]Büro\x1b[31m\x1b]0;title\x07 \u202e日本\x9b2J\n"
CLEAN = "[red]Büro 日本"


@pytest.fixture
def sandbox(monkeypatch):
    """Serve a sandbox, have the environment lead to it, and let nothing be tried again."""
    with Sandbox(120) as sandbox:
        monkeypatch.setenv("TECHLADDER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("TECHLADDER_BASE_URL", sandbox.url)
        monkeypatch.setattr("techladder_async._client.RetryPolicy", RetryPolicy.none)
        yield sandbox


@pytest.fixture
def techladder(monkeypatch, capsys):
    """Give a function that runs the program: arguments in; exit code, stdout and stderr out."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["techladder", *arguments])
        code = main()
        return code, *capsys.readouterr()

    return run


def name_first(sandbox, name):
    """Give the listing's first batch an agent name, and return its id."""
    return sandbox.update_batch(sandbox.batches[0]["schedule_id"], agent_name=name)["schedule_id"]


# --- formats ---


def test_json_says_what_the_api_said(sandbox, techladder):
    """`json` and `ndjson` hold every documented field with the API's own value, terminal escapes as JSON escapes."""
    name_first(sandbox, EVIL)
    code, out, err = techladder("batches", "list", "-o", "json", "--limit", "50")
    assert (code, err) == (0, "")
    assert json.loads(out) == list(sandbox.batches)
    assert not re.search("[\x1b\x9b\u202e]", out)
    assert "日本" in out
    _, lines, _ = techladder("batches", "list", "-o", "ndjson")
    assert [json.loads(line) for line in lines.splitlines()] == list(sandbox.batches)


def test_json_of_nothing_is_an_empty_array(sandbox, techladder):
    """A filter that matches nothing gives `[]`, a lone CSV header, no line of NDJSON, and exit code 0."""
    nobody = ("batches", "list", "--agent-id", "nobody", "-o")
    assert techladder(*nobody, "json") == (0, "[]\n", "")
    assert techladder(*nobody, "ndjson") == (0, "", "")
    assert techladder(*nobody, "csv", "--columns", "schedule_id,status") == (0, "schedule_id,status\r\n", "")
    assert techladder(*nobody, "table")[2] == "techladder: no call batch matches\n"


def test_csv_is_read_back(sandbox, techladder):
    """CSV quotes as RFC 4180 says, has CR LF, empty fields for what is absent, and no terminal escapes."""
    name_first(sandbox, 'Say "hi", ' + EVIL)
    _, out, _ = techladder("batches", "list", "-o", "csv", "--max-items", "60")
    assert out.count("\r\n") == out.count("\n") == 61
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert rows[0]["agent_name"] == 'Say "hi", ' + CLEAN
    for row, batch in zip(rows, sandbox.batches, strict=False):
        assert row["schedule_id"] == batch["schedule_id"]
        assert row["scheduled_at"] == (batch["scheduled_at"] or "")
        assert int(row["total_contacts"]) == batch["total_contacts"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\x1b[1m=1"])
def test_csv_holds_no_formulas(sandbox, techladder, name):
    """A name that a spreadsheet would run gets an apostrophe in front in CSV, and none in JSON."""
    name_first(sandbox, name)
    one = ("batches", "list", "--max-items", "1", "--columns", "agent_name", "-o")
    assert techladder(*one, "csv")[1].splitlines()[1].startswith("'")
    assert json.loads(techladder(*one, "json")[1]) == [{"agent_name": name}]


def test_a_piped_table_is_aligned_and_whole(sandbox, techladder):
    """Without a terminal columns are aligned, wide characters included, and nothing is cut off or obeyed."""
    longest = EVIL + "x" * 400
    name_first(sandbox, longest)
    _, out, _ = techladder("batches", "list", "--max-items", "5", "--columns", "schedule_id,agent_name,status")
    header, first, *rest = out.splitlines()
    assert f"{CLEAN} {'x' * 400}  {sandbox.batches[0]['status']}" in first
    place = header.index("status")
    assert all(line[place - 1] == " " != line[place] for line in rest)
    assert re.search("[\x1b\x9b\x07\u202e]", out) is None
    assert first[place - 2] != " "  # two characters that take two columns each


def test_columns_are_chosen(sandbox, techladder):
    """`--columns` names fields and derived values, in the order wanted; `--page` begins later."""
    columns = "progress,is_finished,pending_contacts,contacts,scheduled_at"
    _, out, _ = techladder("batches", "list", "--columns", columns, "-o", "ndjson", "--limit", "50", "--page", "3")
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 20
    assert list(rows[0]) == columns.split(",")
    assert [row["scheduled_at"] for row in rows] == [batch["scheduled_at"] for batch in sandbox.batches[100:]]
    assert all(row["is_finished"] == (row["progress"] == 1) for row in rows if row["pending_contacts"] == 0)
    _, table, _ = techladder("batches", "list", "--columns", columns, "--max-items", "120")
    assert {line.split()[1] for line in table.splitlines()[1:]} == {"yes", "no"}


def test_stats_count_the_whole_listing(sandbox, techladder):
    """`stats` sums up by status and by agent, the same for people and for programs."""
    _, out, _ = techladder("batches", "stats", "-o", "json")
    stats = json.loads(out)
    statuses = [batch["status"] for batch in sandbox.batches]
    assert stats["by_status"] == {status: statuses.count(status) for status in stats["by_status"]}
    assert stats["batches"] == sum(stats["by_status"].values()) == 120
    for agent in stats["by_agent"]:
        mine = [batch for batch in sandbox.batches if batch["agent_id"] == agent["agent_id"]]
        assert agent["total_contacts"] == sum(batch["total_contacts"] for batch in mine)
    _, table, _ = techladder("batches", "stats")
    assert re.search(rf"^pending +{statuses.count('pending')} +\d+%$", table, re.MULTILINE)
    agents = [line.split()[0] for line in table.splitlines() if line.startswith("agt-")]
    assert agents == [agent["agent_id"] for agent in stats["by_agent"]]


# --- watching ---


@pytest.mark.asyncio
async def test_a_watch_keeps_to_the_rate_limit(capsys):
    """A watch prints a line for each look, waits the interval, and ends when all have finished."""
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    await watch_batches(Source(sandbox=True), Query(), 0.2, sleep=sleep)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(waits) + 1
    assert "pending 0  active 0" in lines[-1]
    assert set(waits) == {0.2}


@pytest.mark.asyncio
async def test_a_long_listing_is_watched_slower(sandbox, capsys):
    """Three requests a look are worth 0.6 s of the rate limit: a shorter interval waits that long."""

    async def sleep(seconds):
        assert seconds == pytest.approx(0.6)
        for batch in sandbox.batches:
            sandbox.update_batch(batch["schedule_id"], status="cancelled")

    await watch_batches(Source(), Query(limit=50), 0.2, sleep=sleep)
    assert "cancelled 120" in capsys.readouterr().out.splitlines()[-1]


# --- errors ---


def test_without_a_key(sandbox, techladder, monkeypatch):
    """No key, or an empty one: exit code 2 and one line that names the variable, on stderr alone."""
    for leave in (
        lambda: monkeypatch.setenv("TECHLADDER_API_KEY", ""),
        lambda: monkeypatch.delenv("TECHLADDER_API_KEY"),
    ):
        leave()
        code, out, err = techladder("batches", "list")
        assert (code, out) == (2, "")
        assert re.fullmatch(r"techladder: there is no API key: set TECHLADDER_API_KEY.*\n", err)


def test_a_wrong_key(sandbox, techladder, monkeypatch):
    """401: exit code 1, nothing on stdout, and one line without the key."""
    monkeypatch.setenv("TECHLADDER_API_KEY", "sk_" + "wrong" * 8)
    code, out, err = techladder("batches", "list", "-o", "json")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"techladder: 401 UNAUTHORIZED: Missing or invalid API key.*\n", err)
    assert "wrong" not in err


def test_a_status_that_the_api_does_not_know(sandbox, techladder):
    """422: exit code 1, and the line repeats what the API allows."""
    code, out, err = techladder("batches", "list", "--status", "[red]x")
    assert (code, out) == (1, "")
    assert "Must be one of pending, active" in err
    assert err.count("\n") == 1


def test_nobody_listens(sandbox, techladder):
    """A refused connection: exit code 1 and one line."""
    code, out, err = techladder("batches", "stats", "--base-url", "http://127.0.0.1:1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "127.0.0.1:1" in err


def test_an_error_in_mid_walk_says_how_to_go_on(sandbox, techladder):
    """What came before the error is printed, no array is closed over it, and the line names the page to go on from."""
    for output, printed in (("json", 51), ("table", 51), ("csv", 51)):
        sandbox.fail_next(Fault.delay(0))
        sandbox.fail_next(Fault.status(403))
        listing = ("batches", "list", "--limit", "50", "--prefetch", "0", "-o", output)
        code, out, err = techladder(*listing)
        assert (code, len(out.splitlines()), err.count("\n")) == (1, printed, 1)
        assert err.endswith("; --page 2 goes on from there\n")
        assert "]" not in out
        code, out, _ = techladder(*listing, "--page", "2")
        assert (code, "sched_" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["batches", "list", "--limit", "101"], "100"),
        (["batches", "list", "--agent-id", ""], "agent_id is empty"),
        (["batches", "list", "--columns", "status,wrong"], "no 'wrong'"),
        (["batches", "list", "--output", "xml"], "'ndjson'"),
        (["batches", "list", "--api-key", "sk_x"], "No such option"),
        (["batches", "list", "--sandbox", "--base-url", "http://127.0.0.1:1"], "leave out --base-url"),
        (["batches", "list", "--base-url", "ftp://127.0.0.1"], "base_url"),
        (["batches", "list", "--base-url", "http://192.0.2.1"], "use https\n"),
        (["batches", "watch", "--interval", "nan"], "--interval"),
        (["batches", "wach"], "wach"),
        (["sandbox", "--rate-window", "nan"], "window"),
    ],
)
def test_usage_errors(sandbox, techladder, arguments, words):
    """A wrong argument is one line on stderr and exit code 2, and no request is sent."""
    code, out, err = techladder(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert sandbox.requests == []


def test_a_port_that_is_taken(sandbox, techladder):
    """`techladder sandbox` on a port in use: exit code 1 and one line."""
    code, out, err = techladder("sandbox", "--port", sandbox.url.rpartition(":")[2])
    assert (code, out) == (1, "")
    assert re.fullmatch(r"techladder: the sandbox cannot listen there: .+\n", err)


def test_version_help_and_completion(techladder, monkeypatch):
    """`--version` prints the package's; a bare group shows its help with exit code 2; values are completed."""
    assert techladder("--version") == (0, f"techladder {techladder_async.__version__}\n", "")
    code, out, err = techladder("batches")
    assert (code, err) == (2, "")
    assert "watch" in out
    monkeypatch.setenv("_TECHLADDER_COMPLETE", "complete_bash")
    for line, completed in (
        ("techladder batches list --status c", "completed\ncancelled\n"),
        ("techladder batches list --columns status,sche", "status,schedule_id\nstatus,scheduled_at\n"),
    ):
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", "4")
        assert techladder() == (0, completed, "")
