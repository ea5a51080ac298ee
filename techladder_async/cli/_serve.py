"""`techladder sandbox`: the sandbox for other programs, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from .._resources.call_batches import PATH
from ..sandbox import Sandbox
from ._run import Failure

if TYPE_CHECKING:
    from asyncio import Future


async def serve(sandbox: Sandbox) -> None:
    """Serve until cancelled. Stopping it is what Ctrl-C is for here, hence no failure."""
    try:
        await sandbox.start()
    except OSError as error:
        raise Failure(f"the sandbox cannot listen there: {error.strerror or error}") from None
    try:
        sys.stdout.write(greeting(sandbox.url, sandbox.api_key, len(sandbox.batches)))
        sys.stdout.flush()
        never: Future[None] = asyncio.get_running_loop().create_future()
        await never
    finally:
        await sandbox.stop()


def greeting(url: str, key: str, count: int) -> str:
    """Return what a user needs to copy. All of it is shell: what is no command is a comment."""
    return f"""\
# {count} call batches at {url} until Ctrl-C. In another terminal:
export TECHLADDER_BASE_URL={url}
export TECHLADDER_API_KEY={key}

# with the program, or with curl:
techladder batches list
curl -H 'Authorization: Bearer {key}' '{url}{PATH}?limit=2'
"""
