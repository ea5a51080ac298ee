"""`Sandbox`: the composition root, and the life of the server in a running loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from . import _check, data
from .api import Api
from .app import App
from .faults import Fault, Faults
from .log import LoggedRequest, RequestLog
from .quota import Quota
from .state import Listing

if TYPE_CHECKING:
    from ._check import Clock

_TURNS_OF_AN_ACCEPT = 3
_GRACE = 0.5  # seconds that answers under way get to leave when the sandbox stops


class Sandbox:
    """The documented API on a real loopback socket, with made-up data that depends on `seed` alone.

    `async with Sandbox() as sandbox:` serves in the running loop, `with Sandbox() as sandbox:` from a thread with a
    loop of its own. The methods may be called from any thread while it serves. The listing, the log and the orders
    outlive a stop: a sandbox that is started again goes on where it was.

    * `batches`, `seed`: how many batches there are, and what they look like.
    * `api_key`: the only key it accepts; without one, a key is made from the seed.
    * `host`, `port`: where to listen; port 0 picks a free one.
    * `rate_limit` requests are answered in each `rate_window` (seconds); the rest gets a 429.
    * `max_limit`: the largest page (1 to 100) it serves; a request for more, up to 100, gets this many.
    * `latency`: seconds that each answer takes.
    * `clock`: gives the Unix time by which the rate limit's windows run.
    """

    def __init__(
        self,
        batches: int = 500,
        seed: int = 0,
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_limit: int = 300,
        rate_window: float = 60.0,
        max_limit: int = 100,
        latency: float = 0.0,
        clock: Clock = time.time,
    ) -> None:
        _check.integer("batches", batches, 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an integer, not {type(seed).__name__}")
        if not callable(clock):
            raise TypeError("clock must be a function that gives the time in Unix seconds")
        self._host = _check.text("host", host)
        self._port = _check.integer("port", port, 0, 65535)
        self._key = data.make_key(seed) if api_key is None else _checked_key(api_key)
        self._latency = _check.seconds("latency", latency)
        self._quota = Quota(
            _check.integer("rate_limit", rate_limit, 1), _check.seconds("rate_window", rate_window, zero=False), clock
        )
        max_limit = _check.integer("max_limit", max_limit, 1, 100)
        self._listing = Listing(batches, seed)
        self._api = Api(self._listing, self._quota, max_limit)
        self._faults = Faults()
        self._log = RequestLog()
        self._server: _Server | None = None
        self._thread: _ServerThread | None = None

    def __repr__(self) -> str:
        return f"<Sandbox {self._server.url if self._server and self._server.url else 'not running'}>"

    @property
    def url(self) -> str:
        """The base URL, `http://127.0.0.1:PORT`. `RuntimeError` while it is not running."""
        if self._server is None or self._server.url is None:
            raise RuntimeError("the sandbox is not running: use `async with`, `with` or `await sandbox.start()`")
        return self._server.url

    @property
    def api_key(self) -> str:
        """The key that the sandbox accepts: `sk_` and 64 URL-safe characters, unless another was given."""
        return self._key

    @property
    def batches(self) -> tuple[dict[str, Any], ...]:
        """Copies of the batches as they are now, in the order of the listing: newest created first."""
        return tuple(dict(batch) for batch in self._listing.select())

    def add_batch(self, **fields: Any) -> dict[str, Any]:
        """Create a batch, at the head of the listing, and return a copy.

        It is pending unless `fields` (those of the API, or any other, unchecked) say otherwise. `ValueError` when a
        given `schedule_id` is taken, `TypeError` for values that are no JSON.
        """
        return dict(self._listing.add(fields))

    def remove_batch(self, schedule_id: str) -> None:
        """Take a batch out of the listing. `KeyError` when there is none with this id."""
        self._listing.remove(schedule_id)

    def update_batch(self, schedule_id: str, **fields: Any) -> dict[str, Any]:
        """Change fields of a batch, unchecked, and return a copy. It keeps its place. `KeyError` when there is none."""
        return dict(self._listing.update(schedule_id, fields))

    def advance(self, steps: int = 1) -> int:
        """Move the world forward: pending batches start, active ones make calls until they have ended.

        Returns how many batches changed in the last step; 0 means that all have ended.
        """
        changed = 0
        for _ in range(_check.integer("steps", steps, 1)):
            changed = self._listing.advance()
        return changed

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Spoil the next requests, whatever they are, after those of earlier calls."""
        self._faults.order(fault, times)

    def fail_share(self, fault: Fault, share: float, seed: int = 0) -> None:
        """Spoil a share (0 to 1) of all requests from now on, drawn from `seed`, until `clear_faults`."""
        self._faults.order_share(fault, share, seed)

    def clear_faults(self) -> None:
        """Forget all faults that were ordered."""
        self._faults.clear()

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests so far, in the order of their arrival."""
        return self._log.entries()

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    async def start(self) -> None:
        """Serve in the running loop. `RuntimeError` when it runs already, `OSError` when the port cannot be had."""
        if self._server is not None:
            raise RuntimeError("the sandbox is already running")
        app = App(self._api, self._quota, self._faults, self._log, self._key, self._latency)
        self._server = _Server(app)
        try:
            await self._server.start(self._host, self._port)
        except BaseException:  # a cancellation too: nothing half started is left
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop serving, and drop all connections. Stopping twice does no harm.

        `RuntimeError` in another loop than that of `start`.
        """
        if self._server is None:
            return
        if self._server.loop is not asyncio.get_running_loop():
            raise RuntimeError("the sandbox runs in another event loop: stop it there, or leave its `with` block")
        server, self._server = self._server, None
        await server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        if self._server is not None or self._thread is not None:
            raise RuntimeError("the sandbox is already running")
        thread = _ServerThread(self)
        thread.begin()
        self._thread = thread
        return self

    def __exit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.end()


class _Server:
    """One listening socket and its connections."""

    def __init__(self, app: App) -> None:
        self.loop = asyncio.get_running_loop()
        self.url: str | None = None
        self._app = app
        self._web = web.Server(app.handle, access_log=None, handler_cancellation=True)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        self._listener = await self.loop.create_server(self._web, host, port)
        address = self._listener.sockets[0].getsockname()
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{name}:{address[1]}"

    async def stop(self) -> None:
        self.url = None
        self._app.closing.set()
        if self._listener is not None:
            await self._stop_listening(self._listener)
        for connection in self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()  # closing would wait for a peer that does not read
        await self._web.shutdown(_GRACE)
        await asyncio.sleep(0)  # the transports of dropped connections close their sockets in the loop's next turn

    async def _stop_listening(self, listener: asyncio.Server) -> None:
        if isinstance(self.loop, asyncio.SelectorEventLoop):
            # CPython 3.11 loses a connection that it accepts while the listener closes: accept none, let those be made.
            for socket in listener.sockets:
                self.loop.remove_reader(socket)
            for _ in range(_TURNS_OF_AN_ACCEPT):
                await asyncio.sleep(0)
        listener.close()


class _ServerThread:
    """A thread whose loop serves a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ready: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="techladder-sandbox", daemon=True)

    def begin(self) -> None:
        """Return when the sandbox serves; raise what kept it from starting."""
        self._thread.start()
        try:
            self._ready.result()
        except Exception:  # whatever it was, the thread is at its end
            self._thread.join()
            raise

    def end(self) -> None:
        self._ready.result().call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            await self._sandbox.start()
        except Exception as exc:  # noqa: BLE001  whatever it is, the thread that waits for it raises it
            self._ready.set_exception(exc)
            return
        self._ready.set_result(asyncio.get_running_loop())
        await self._ended.wait()
        await self._sandbox.stop()


def _checked_key(key: object) -> str:
    key = _check.text("api_key", key)
    if not re.fullmatch(r"[!-~]+", key):
        raise ValueError("api_key must be of printable ASCII characters without spaces")
    return key
