"""The commands and their arguments. The work is elsewhere, and is loaded when it is called for."""

# ruff: noqa: PLC0415  --help, --version and the shell's completion need none of the work's modules

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, cast

import typer

from ._columns import parse_names
from ._options import (
    AgentOption,
    BaseUrlOption,
    ColumnsOption,
    ExactOption,
    LimitOption,
    MaxItemsOption,
    PageOption,
    PrefetchOption,
    QuietOption,
    SandboxOption,
    StatusOption,
)
from ._run import INTERRUPTED, OK, USAGE, Failure, complain, run
from ._source import SANDBOX_BATCHES, SECONDS_A_REQUEST, Query, Source
from ._writers import Format

PROGRAM = "techladder"
_EPILOG = "The key is read from TECHLADDER_API_KEY, and never from an option, which other users could see."


class _StatsFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


app = typer.Typer(
    name=PROGRAM,
    pretty_exceptions_enable=False,  # they would be no prettier for the user, and slower
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
batches = typer.Typer(help="The account's call batches: list, watch and sum them up.", epilog=_EPILOG)
app.add_typer(batches, name="batches")

# Typer's base of all usage errors: the class moved between its versions, its place above BadParameter did not.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


def start() -> int:
    """Run the program and return its exit code. A usage error is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # An encoding that lacks a character is no reason to fail.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        return app(prog_name=PROGRAM, standalone_mode=False) or OK
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else PROGRAM
        return complain(f"{error.format_message()} (see {command} --help)", error.exit_code)
    except Failure as failure:
        return complain(str(failure), failure.code)
    except SystemExit:
        return OK  # so Typer ends a help text whose reader went away
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted", INTERRUPTED)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it so
    if wanted:
        from .. import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001  its callback does the work
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Call batches of the TechLadder public API, in the terminal.

    Try it without a key: `techladder batches list --sandbox`
    """
    _help_without_command(context)


@batches.callback(invoke_without_command=True)
def _batches(context: typer.Context) -> None:
    _help_without_command(context)


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
        raise typer.Exit(USAGE)


@batches.command("list")
def _list(
    *,
    status: StatusOption = None,
    agent_id: AgentOption = None,
    limit: LimitOption = None,
    page: PageOption = 1,
    max_items: MaxItemsOption = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="table for people; json: one array; ndjson: an object a line; csv.")
    ] = Format.TABLE,
    columns: ColumnsOption = None,
    exact: ExactOption = False,
    prefetch: PrefetchOption = 1,
    quiet: QuietOption = False,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
) -> None:
    """List call batches, from every page. Data goes to stdout, progress to stderr.

    For example:

    - `techladder batches list --status active`
    - `techladder batches list --output ndjson | jq .schedule_id`
    - `techladder batches list --output csv --columns schedule_id,status > batches.csv`
    """
    from ._list import list_batches
    from ._writers import Output

    query = Query(agent_id, status, limit, page, max_items, prefetch, exact)
    names = None if columns is None else parse_names(columns)
    raise typer.Exit(run(list_batches(Source(sandbox, base_url), query, Output(output, names, quiet))))


@batches.command("watch")
def _watch(
    *,
    status: StatusOption = None,
    agent_id: AgentOption = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            min=SECONDS_A_REQUEST,
            metavar="SECONDS",
            help="Time between two looks: 5 s, in the sandbox 1 s. A long listing takes the time the rate limit asks.",
        ),
    ] = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
) -> None:
    """Watch call batches until all have finished. Where stdout is no terminal: a line with the counts each time.

    For example:

    - `techladder batches watch --sandbox`
    - `techladder batches watch --agent-id agt-57949b14 --interval 30`
    """
    from ._watch import watch_batches

    seconds = interval if interval is not None else 1.0 if sandbox else 5.0
    query = Query(agent_id, status, exact=True)
    raise typer.Exit(run(watch_batches(Source(sandbox, base_url), query, seconds)))


@batches.command("stats")
def _stats(
    *,
    agent_id: AgentOption = None,
    output: Annotated[_StatsFormat, typer.Option("--output", "-o", help="table for people, json for programs.")] = (
        _StatsFormat.TABLE
    ),
    quiet: QuietOption = False,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
) -> None:
    """Count call batches by status and by agent.

    For example:

    - `techladder batches stats --sandbox`
    - `techladder batches stats --output json | jq .by_status.failed`
    """
    from ._stats import print_stats
    from ._writers import Output

    query = Query(agent_id, exact=True)
    raise typer.Exit(run(print_stats(Source(sandbox, base_url), query, Output(Format(output), quiet=quiet))))


@app.command("sandbox")
def _sandbox(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="0 takes a free one.")] = 0,
    count: Annotated[int, typer.Option("--batches", min=0, metavar="N", help="How many there are.")] = SANDBOX_BATCHES,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same data.")] = 0,
    rate_limit: Annotated[int, typer.Option("--rate-limit", min=1, metavar="N", help="Requests in a window.")] = 300,
    rate_window: Annotated[
        float, typer.Option("--rate-window", min=0.001, metavar="SECONDS", help="Length of a window.")
    ] = 60.0,
) -> None:
    """Serve made-up call batches on this machine, as the API would, until Ctrl-C.

    For example:

    - `techladder sandbox --port 8080`
    - `techladder sandbox --batches 5000 --rate-limit 10 --rate-window 5`
    """
    from ..sandbox import Sandbox
    from ._serve import serve

    try:
        made = Sandbox(count, seed, port=port, rate_limit=rate_limit, rate_window=rate_window)
    except ValueError as error:
        raise Failure(str(error), USAGE) from None
    raise typer.Exit(run(serve(made), interrupted=("the sandbox has stopped", OK)))
