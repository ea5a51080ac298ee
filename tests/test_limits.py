"""What headers say about waiting is read strictly, in every form, and never as less than was asked."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, strategies as st
from multidict import CIMultiDict

from techladder_async import RateLimitError
from techladder_async._limits import http_date, only, reset_time, retry_after, server_time, stated_wait, whole_number
from tests.clients import client_for
from tests.fault_server import FaultServer
from tests.faults import error

MOMENT = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)
NOW = MOMENT.timestamp()
FORMS = {
    "IMF-fixdate": "Fri, 06 Nov 2026 08:49:37 GMT",
    "RFC 850": "Friday, 06-Nov-26 08:49:37 GMT",
    "asctime": "Fri Nov  6 08:49:37 2026",
}
UNREADABLE = {
    "empty": "",
    "a word": "soon",
    "negative": "-1",
    "signed": "+1",
    "infinite": "inf",
    "Infinity": "Infinity",
    "not a number": "nan",
    "scientific": "1e3",
    "hexadecimal": "0x10",
    "underscored": "1_0",
    "Arabic digits": "\u0661\u0662",
    "superscript": "\u00b2",
    "full width": "\uff11\uff12",
    "thousand separator": "1,000",
    "no fraction": "5.",
    "no whole part": ".5",
    "with a unit": "5s",
    "overlong number": "9" * 400,
    "overlong fraction": "1." + "0" * 400,
    "overlong date": FORMS["IMF-fixdate"] + " " * 400 + "x",
    "impossible date": "Fri, 31 Feb 2026 08:49:37 GMT",
    "far year": "Fri, 06 Nov 99999 08:49:37 GMT",
    "half a date": "Fri, 06 Nov",
    "Arabic date": "Fri, \u0660\u0666 Nov 2026 08:49:37 GMT",
    "surrogate": "\udcff",
}


def headers(*pairs: tuple[str, str]) -> CIMultiDict[str]:
    """Give headers, of which a name may come twice."""
    return CIMultiDict(pairs)


@pytest.fixture(params=["UTC", "Pacific/Kiritimati", "America/St_Johns"])
def _anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in this time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_anywhere")
@pytest.mark.parametrize("form", FORMS)
def test_dates_are_in_utc_wherever_this_runs(form: str) -> None:
    """Each of the three forms of a date is the same moment in any local time zone."""
    assert http_date(FORMS[form]) == NOW
    assert retry_after(headers(("Retry-After", FORMS[form])), NOW - 30) == 30
    assert stated_wait(503, headers(("Retry-After", FORMS[form])), NOW - 30) == 30


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("0.0", 0.0), ("1", 1.0), ("0007", 7.0), ("1.5", 1.5), (" 30 ", 30.0), ("999999999", 999999999.0)],
)
def test_seconds(text: str, seconds: float) -> None:
    """Digits with an optional fraction are seconds, and zero is a wait of zero, not the lack of one."""
    assert retry_after(headers(("Retry-After", text)), NOW) == seconds


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_nothing(name: str) -> None:
    """A value that is no plain number and no date asks for nothing."""
    text = UNREADABLE[name]
    assert retry_after(headers(("Retry-After", text)), NOW) is None
    assert reset_time(headers(("X-RateLimit-Reset", text))) is None
    assert not whole_number(only(headers(("X-RateLimit-Remaining", text)), "X-RateLimit-Remaining"))
    assert server_time(headers(("Date", text))) is None


def test_a_repeated_header_says_nothing() -> None:
    """Of two values neither can be trusted, not even if they are equal."""
    twice = headers(("Retry-After", "1"), ("Retry-After", "1"), ("X-RateLimit-Reset", "1"), ("x-ratelimit-reset", "2"))
    assert retry_after(twice, NOW) is None
    assert reset_time(twice) is None


def test_a_date_in_the_past_says_nothing() -> None:
    """A moment that is over asks for nothing; the present one asks for no wait."""
    date = headers(("Retry-After", FORMS["IMF-fixdate"]))
    assert retry_after(date, NOW + 1) is None
    assert retry_after(date, NOW) == 0


@pytest.mark.parametrize("skew", [-3600.0, 0.0, 3600.0])
def test_moments_are_measured_by_the_servers_own_clock(skew: float) -> None:
    """With a `Date` in the response, a client clock that is an hour off makes no difference."""
    date = ("Date", FORMS["IMF-fixdate"])
    until = format_datetime(MOMENT + timedelta(seconds=20), usegmt=True)
    assert stated_wait(503, headers(date, ("Retry-After", until)), NOW + skew) == 20
    assert stated_wait(429, headers(date, ("X-RateLimit-Reset", str(NOW + 25))), NOW + skew) == 25


def test_the_own_clock_serves_where_there_is_no_date() -> None:
    """Without a `Date`, or with one that cannot be read, moments are measured by the clock here."""
    reset = ("X-RateLimit-Reset", f"{NOW:.0f}")
    assert stated_wait(429, headers(reset), NOW - 10) == 10
    assert stated_wait(429, headers(reset, ("Date", "yesterday")), NOW - 10) == 10


@pytest.mark.parametrize(
    ("status", "pairs", "expected"),
    [
        (429, [("Retry-After", "3"), ("X-RateLimit-Reset", str(NOW + 9))], 3),
        (429, [("Retry-After", "0"), ("X-RateLimit-Reset", str(NOW + 9))], 0),
        (429, [("Retry-After", "soon"), ("X-RateLimit-Reset", str(NOW + 9))], 9),
        (503, [("X-RateLimit-Reset", str(NOW + 9))], None),
        (429, [("X-RateLimit-Reset", str(NOW))], None),
        (429, [("X-RateLimit-Reset", str(NOW - 1))], None),
        (429, [("X-RateLimit-Reset", str(NOW + 3600))], 3600),
        (429, [("X-RateLimit-Reset", str(NOW + 3601))], None),
        (429, [("X-RateLimit-Reset", f"{NOW * 1000:.0f}")], None),
        (429, [], None),
    ],
)
def test_which_header_counts(status: int, pairs: list[tuple[str, str]], expected: float | None) -> None:
    """`Retry-After` comes first, the reset is for a 429, and one that is past or an hour ahead is ignored."""
    assert stated_wait(status, headers(*pairs), NOW) == expected


@given(text=st.text(max_size=60), status=st.sampled_from([429, 503]))
@example(text="Fri, 06 Nov 2026 08:49:37 +9999", status=429)
def test_no_text_breaks_the_reading(text: str, status: int) -> None:
    """Whatever a header holds, the wait is a number from zero on, or nothing."""
    for name in ("Retry-After", "X-RateLimit-Reset", "Date"):
        wait = stated_wait(status, headers((name, text)), NOW)
        assert wait is None or (math.isfinite(wait) and wait >= 0)


@given(seconds=st.integers(min_value=1, max_value=4_000_000_000), early=st.integers(min_value=0, max_value=3600))
def test_dates_go_there_and_back(seconds: int, early: int) -> None:
    """A date is read as the very second that it was made of."""
    text = format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert retry_after(headers(("Retry-After", text)), float(seconds - early)) == early


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1e3", "9" * 400, "Fri, 31 Feb 2026 08:49:37 GMT"])
async def test_an_unreadable_wait_never_hides_the_error(text: str) -> None:
    """A 429 whose wait cannot be read is retried with the own backoff, and then is the error that it is."""
    step = error(429, headers={"Retry-After": text})
    async with FaultServer(step, repeat_last=True) as server, client_for(server.url) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.call_batches.list()
    assert caught.value.retry_after is None
    assert caught.value.attempts == len(server.requests) == 4


@pytest.mark.asyncio
async def test_a_refused_wait_is_on_the_error() -> None:
    """A server that asks for more than is allowed gets one request, and its wait is on the error."""
    async with FaultServer(error(503, headers={"Retry-After": "65.5"})) as server, client_for(server.url) as client:
        with pytest.raises(Exception, match="503") as caught:
            await client.call_batches.list()
    assert caught.value.retry_after == 65.5
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "text", ["0.3333333333333333", "0.3000000000", "70.12345678901235", "1795449091", "99999999999"]
)
def test_long_numbers_are_numbers(text: str) -> None:
    """As many digits as a float has when it is printed, or an epoch by mistake, are obeyed like any other number."""
    assert retry_after(headers(("Retry-After", text)), NOW) == float(text)


def test_less_than_nothing_remains() -> None:
    """A count that went below zero says that nothing remains."""
    assert whole_number("-1") == 0
    assert whole_number("-x") is None
