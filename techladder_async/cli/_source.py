"""Where the batches come from: the API, or a sandbox in this very process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import attrs

from ._run import USAGE, Failure

if TYPE_CHECKING:
    from .._client import AsyncTechLadder
    from .._pagination import Paginator
    from ..models import CallBatch

SANDBOX_BATCHES = 500
SECONDS_A_REQUEST = 60 / 300
"""What the rate limit, 300 requests a minute, makes of one request."""


@attrs.frozen
class Source:
    """What the options `--sandbox` and `--base-url` say."""

    sandbox: bool = False
    base_url: str | None = None


@attrs.frozen
class Query:
    """Which batches, and how to get them; the names are those of `call_batches.list`."""

    agent_id: str | None = None
    status: str | None = None
    limit: int | None = None
    page: int = 1
    max_items: int | None = None
    prefetch: int = 1
    exact: bool = False

    def listing(self, client: AsyncTechLadder) -> Paginator[CallBatch]:
        """Return the listing. `Failure` where an argument makes no sense."""
        try:
            return client.call_batches.list(**attrs.asdict(self))
        except ValueError as error:
            raise Failure(str(error), USAGE) from None


@attrs.frozen
class Connection:
    """A client, and what moves its world on where that world is a sandbox."""

    client: AsyncTechLadder
    advance: Callable[[], object] | None = None


@contextlib.asynccontextmanager
async def connect(source: Source, batches: int = SANDBOX_BATCHES) -> AsyncIterator[Connection]:
    """Open a client, to a sandbox with so many batches where one is wanted."""
    from .._client import AsyncTechLadder  # noqa: PLC0415  aiohttp comes with it, and --help does not need it

    if source.sandbox:
        if source.base_url is not None:
            raise Failure("--sandbox brings its own base URL: leave out --base-url", USAGE)
        from ..sandbox import Sandbox  # noqa: PLC0415  the real API needs none of it

        async with Sandbox(batches) as sandbox, AsyncTechLadder(sandbox.api_key, base_url=sandbox.url) as client:
            yield Connection(client, sandbox.advance)
        return
    if not os.environ.get("TECHLADDER_API_KEY"):
        raise Failure("there is no API key: set TECHLADDER_API_KEY, or try the program with --sandbox", USAGE)
    async with AsyncTechLadder(base_url=source.base_url) as client:
        yield Connection(client)
