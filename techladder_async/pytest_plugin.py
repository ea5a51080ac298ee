"""pytest fixtures for the tests of programs that use the SDK: the API on a loopback socket, and a client of it.

Switch them on in the top `conftest.py`, or with `pytest -p techladder_async.pytest_plugin`:

    pytest_plugins = ["techladder_async.pytest_plugin"]

They serve tests of pytest-asyncio (strict or auto mode) and of anyio's plugin (on asyncio), and those without either:

    @pytest.mark.asyncio
    async def test_report_survives_a_restart(techladder_client, techladder_sandbox):
        techladder_sandbox.fail_next(Fault.status(503))
        assert "500 batches" in await my_report(techladder_client)
        assert [request.status for request in techladder_sandbox.requests[:2]] == [503, 200]

To change what they are made with, override the fixtures `techladder_sandbox_options` and `techladder_client_options`
in a conftest, a module or a class:

    @pytest.fixture
    def techladder_sandbox_options():
        return {"batches": 3, "rate_limit": 10}

pytest does not find the plugin by itself: an entry point would import the SDK at the start of every pytest run.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ._backoff import RetryPolicy
from ._client import AsyncTechLadder
from ._lifetime import Lifetime

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from ._client import _Options, _Shared
    from .sandbox import Sandbox

__all__ = ["techladder_client", "techladder_client_options", "techladder_sandbox", "techladder_sandbox_options"]


@pytest.fixture
def techladder_sandbox_options() -> dict[str, Any]:
    """Keyword arguments of `Sandbox`, to override; none by default: 500 batches, seed 0."""
    return {}


@pytest.fixture
def techladder_sandbox(techladder_sandbox_options: dict[str, Any]) -> Iterator[Sandbox]:
    """Run a `Sandbox` for this test, in a thread of its own: `.url`, `.api_key`, `.fail_next()`, `.requests`."""
    from .sandbox import Sandbox  # noqa: PLC0415  aiohttp's server side is not needed to collect tests

    with Sandbox(**techladder_sandbox_options) as sandbox:
        yield sandbox


@pytest.fixture
def techladder_client_options() -> dict[str, Any]:
    """Keyword arguments of `AsyncTechLadder`, to override; none by default."""
    return {}


@pytest.fixture
def techladder_client(
    techladder_sandbox: Sandbox, techladder_client_options: dict[str, Any]
) -> Iterator[AsyncTechLadder]:
    """Make an `AsyncTechLadder` of this test's sandbox, and close it after the test in the loop that it was used in.

    It retries as often as any client, but its own backoff takes no time.
    """
    options = {"base_url": techladder_sandbox.url, "retry": RetryPolicy(initial=0), **techladder_client_options}
    client = _Client(techladder_sandbox.api_key, **options)
    yield client
    client.lifetime.finish()


class _Client(AsyncTechLadder):
    """A client that is closed when its event loop ends, if nobody has closed it before."""

    lifetime: _LoopLifetime

    def _assemble(self, shared: _Shared, options: _Options, lifetime: Lifetime, *, derived: bool) -> None:
        if not derived:
            self.lifetime = lifetime = _LoopLifetime(self)
        super()._assemble(shared, options, lifetime, derived=derived)


class _LoopLifetime(Lifetime):
    """Ends with its event loop.

    A fixture that is no coroutine has no loop to close a client in, and each plugin ends its loops in its own way and
    order. But all of them close the async generators of a loop before the loop: one of these closes the client.
    """

    def __init__(self, client: AsyncTechLadder) -> None:
        super().__init__()
        self._client = client
        self._guard: AsyncGenerator[None] | None = None

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        super()._bind(loop)
        self._guard = self._closing()
        with contextlib.suppress(StopIteration):  # it runs to its yield, without an await, and the loop knows it
            self._guard.__anext__().send(None)

    async def _closing(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._client.close()

    def finish(self) -> None:
        """Close the client from outside its loop, where that loop has not ended yet."""
        if self._loop is None or self._guard is None:
            self.end()
        elif self._loop.is_running():  # in another thread
            asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        elif not self._loop.is_closed():
            self._loop.run_until_complete(self._guard.aclose())
