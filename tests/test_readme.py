"""Every Python block of the README runs, each by itself, against a sandbox."""

import ast
import asyncio
import inspect
import pathlib
import re

import pytest

from techladder_async.sandbox import Sandbox

README = pathlib.Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
LONGEST = 30.0  # seconds


def blocks():
    """Return the README's Python blocks, each behind as many empty lines as stand before it in the file."""
    text = README.read_text("utf-8")
    starts = [(text.count("\n", 0, block.start(1)), block[1]) for block in BLOCK.finditer(text)]
    return [pytest.param("\n" * line + source, id=f"line-{line + 1}") for line, source in starts]


@pytest.fixture(scope="module")
def served():
    """Give a sandbox in a thread of its own, so that a block may run an event loop or not."""
    with Sandbox(rate_limit=100_000) as sandbox:
        yield sandbox


async def within_reason(steps):
    """Run a block that awaits, and give it up where it does not end."""
    async with asyncio.timeout(LONGEST):
        await steps


def run(source):
    """Run a block, with an event loop around it where it awaits at its top level."""
    code = compile(source, str(README), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    namespace = {"__name__": "readme"}
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(within_reason(eval(code, namespace)))
    else:
        exec(code, namespace)


def test_there_are_blocks():
    """The README shows code, from its first screen on."""
    assert blocks()
    assert README.read_text("utf-8").index("```python") < 500


@pytest.mark.parametrize("source", blocks())
def test_block(source, served, monkeypatch, capsys):
    """The block runs to its end as it stands, and what it prints is no error."""
    monkeypatch.setenv("TECHLADDER_API_KEY", served.api_key)
    monkeypatch.setenv("TECHLADDER_BASE_URL", served.url)
    run(source)
    assert "Traceback" not in capsys.readouterr().err
