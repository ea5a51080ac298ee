"""What a response's headers say about waiting: plain functions of headers and a clock's reading.

The rate limit's headers are documented; `Retry-After` is not, and read where it comes. RFC 9110, sections 5.6.7 and
10.2.3, gives its forms. A value that is missing, repeated or unreadable is `None`: it never hides the answer that it
came with.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._wire import Headers

FARTHEST_RESET = 3600.0
"""Seconds. The limit is counted in minutes: a reset that is farther ahead comes from a broken clock."""

# A fraction may be long: "0.3333333333333333" is what a float looks like. Sixteen digits before the point are no number
# of seconds that anybody means.
_SECONDS = re.compile(r"\d{1,15}(\.\d{1,20})?", re.ASCII)
_MOST_DIGITS = 9
_LONGEST_DATE = 40


def only(headers: Headers, name: str) -> str | None:
    """Return the header's value if it came once: of two, neither can be trusted."""
    values = headers.getall(name, ())
    return values[0].strip() if len(values) == 1 else None


def http_date(text: str | None) -> float | None:
    """Read any of the three forms of an HTTP date as Unix seconds. They are all in UTC, whatever the local zone."""
    if text is None or len(text) > _LONGEST_DATE or not text.isascii():
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def server_time(headers: Headers) -> float | None:
    """Return the second in which the server answered, in Unix seconds."""
    return http_date(only(headers, "Date"))


@functools.lru_cache(16)  # the same reset comes with every response of a window
def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None


def retry_after(headers: Headers, now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for; a date in the past asks for nothing."""
    text = only(headers, "Retry-After")
    if text is None:
        return None
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    moment = http_date(text)
    return moment - now if moment is not None and moment >= now else None


def reset_time(headers: Headers) -> float | None:
    """Return `X-RateLimit-Reset`, in Unix seconds."""
    text = only(headers, "X-RateLimit-Reset")
    return None if text is None else _seconds(text)


def stated_wait(status: int, headers: Headers, now: float) -> float | None:
    """Return the seconds that the server asks to wait, or `None` where it asks for none.

    `Retry-After` comes first, then, on a 429, the rate limit's reset. Instants are measured against the response's own
    `Date` where there is one, so that a wrong clock here does no harm; `now` (Unix seconds) is for where there is none.
    """
    date = server_time(headers)
    now = now if date is None else date
    asked = retry_after(headers, now)
    if asked is not None or status != HTTPStatus.TOO_MANY_REQUESTS:
        return asked
    reset = reset_time(headers)
    if reset is None or not now < reset <= now + FARTHEST_RESET:
        return None
    return reset - now


def whole_number(text: str | None) -> int | None:
    """Read a number of requests; one below zero is none."""
    if text is not None and text.startswith("-"):
        text = "0" if text[1:].isdigit() else None
    if text is None or len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)
