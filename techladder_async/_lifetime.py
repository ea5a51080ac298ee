"""When a client may be used, and how closing it ends the calls that are under way."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from .errors import APIConnectionError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from ._wire import Handler, Request, Response

_TURNS_TO_LEAVE = 10


class Lifetime:
    """A client's life: open until it is closed, and bound to the event loop of its first call.

    A lifetime made from another ends with it, not the other way round.
    """

    def __init__(self, parent: Lifetime | None = None) -> None:
        self.closed: bool = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: set[Call] = set()
        self._parent = parent
        self._children: weakref.WeakSet[Lifetime] = weakref.WeakSet()
        if parent is not None:
            parent._children.add(self)  # noqa: SLF001  its own class

    def check(self) -> None:
        """Raise `RuntimeError` where the client is closed or belongs to another event loop."""
        if self.closed or (self._parent is not None and self._parent.closed):
            msg = "this client is closed: make a new AsyncTechLadder, or use it inside its `async with` block"
            raise RuntimeError(msg)
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._bind(loop)
        elif self._loop is not loop:
            msg = "this client belongs to another event loop: make one AsyncTechLadder for each loop"
            raise RuntimeError(msg)

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        # The connections are shared, so the whole family lives in one loop.
        if self._parent is not None:
            self._parent.check()
        self._loop = loop

    def guard(self, handler: Handler) -> Handler:
        """Return the handler, with `check` before it: a middleware may have closed the client meanwhile."""

        def handle(request: Request) -> Awaitable[Response]:
            self.check()
            return handler(request)

        return handle

    def end(self) -> None:
        """Close, and end every call that is under way with an `APIConnectionError` that says so."""
        self.closed = True
        for child in tuple(self._children):
            child.end()
        for call in tuple(self._calls):
            call.cut_off()

    async def ended(self) -> None:
        """Wait until the calls that `end` ended have left, but not for one that does not let itself be ended."""
        for _ in range(_TURNS_TO_LEAVE):
            if not self._busy():
                return
            await asyncio.sleep(0)

    def _busy(self) -> bool:
        return bool(self._calls) or any(child._busy() for child in self._children)  # noqa: SLF001  its own class

    def call(self) -> Call:
        """Return the context of one call. Raises like `check`."""
        self.check()
        return Call(self._calls)


class Call:
    """One call under way. Like `asyncio.timeout`, it turns its own cancellation, and no other, into an error."""

    __slots__ = ("_calls", "_cancelling", "_cut_off", "_task")

    def __init__(self, calls: set[Call]) -> None:
        self._calls = calls
        self._cut_off = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            msg = "a client is used from within a task: start the program with asyncio.run()"
            raise RuntimeError(msg)
        self._task = task
        self._cancelling = task.cancelling()
        self._calls.add(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._calls.discard(self)
        ours = self._cut_off and self._task.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError
        del self._task  # its exception's traceback leads here: a cycle, which would keep both
        if ours:
            msg = "the client was closed while this request was under way"
            raise APIConnectionError(msg) from None

    def cut_off(self) -> None:
        """End the call, unless it is its own task that closes the client."""
        if not self._cut_off and self._task is not asyncio.current_task():
            self._cut_off = True
            self._task.cancel()
