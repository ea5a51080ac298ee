"""Watching every attempt: a hook is a callable that takes an `AttemptRecord`.

`AsyncTechLadder(hooks=[...])` calls each hook after every attempt, in the task that made the request. `log_attempt` is
always the first; `techladder_async.otel` has one for OpenTelemetry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["AttemptRecord", "Hook", "log_attempt", "notify"]

_logger = logging.getLogger("techladder_async")
_logger.addHandler(logging.NullHandler())  # silent unless the program or TECHLADDER_LOG wants to hear


@attrs.frozen
class AttemptRecord:
    """One attempt at a request, after it ended. It never holds the API key."""

    method: str
    """The HTTP method."""
    path: str
    """The path below the base URL."""
    page: int | None
    """The page that was asked for, where the request asked for one."""
    attempt: int
    """Which attempt this was, from 1."""
    status: int | None
    """The HTTP status that was answered, or `None` where there was no answer."""
    error: str | None
    """The name of the error's class where there was no answer, else `None`."""
    seconds: float
    """How long the exchange took; where it failed, a wait for the rate limit or for a connection is included."""
    wait: float | None
    """Seconds that the next attempt will be waited for, or `None` where none follows."""
    url: str = attrs.field(default="", kw_only=True)
    """The URL with its query; without a client around the middleware, the path alone."""
    detail: str | None = attrs.field(default=None, kw_only=True)
    """What went wrong, in words, where there was no answer."""
    stop: str | None = attrs.field(default=None, kw_only=True)
    """Why no other attempt follows one that failed, or `None`."""


Hook: TypeAlias = Callable[[AttemptRecord], object]
"""Is called after each attempt. It should be quick: the request waits for it."""


def any_listens(hooks: tuple[Hook, ...], wait: float | None) -> bool:
    """Return whether a record of an attempt that is followed by `wait` would be read: the log alone is mostly off."""
    return bool(hooks) and (hooks != _LOG_ALONE or _logger.isEnabledFor(_level(wait)))


def notify(hooks: Iterable[Hook], record: AttemptRecord) -> None:
    """Hand the record to each hook."""
    for hook in hooks:
        try:
            hook(record)
        except Exception:  # whatever a hook of the user's raises: watching a walk must not end it
            _logger.exception("the hook %r failed", hook)


def log_attempt(record: AttemptRecord) -> None:
    """Log the attempt: at DEBUG, or at WARNING where another follows."""
    level = _level(record.wait)
    if not _logger.isEnabledFor(level):
        return
    page = "" if record.page is None else f" page {record.page}"
    outcome = f"{record.error}: {record.detail}" if record.status is None else record.status
    stop = f"; not tried again: {record.stop}" if record.stop else ""
    follows = stop if record.wait is None else f"; tried again in {record.wait:.2f} s"
    what = f"{record.method} {record.path}{page}: attempt {record.attempt}"
    _logger.log(level, "%s took %.3f s: %s%s", what, record.seconds, outcome, follows)


def _level(wait: float | None) -> int:
    return logging.DEBUG if wait is None else logging.WARNING


_LOG_ALONE: tuple[Hook, ...] = (log_attempt,)
