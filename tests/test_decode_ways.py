"""The two ways to decode a page, msgspec's and the converter's, never tell two stories."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given, settings, strategies as st

from techladder_async import BatchStatus, CallBatch, Page, ResponseDecodeError, StartMode
from techladder_async._decode import _listing
from techladder_async._envelope import Envelope, parse_object, refusal
from techladder_async._quick import decode_page, quick_page
from tests import documented

FEW = settings(max_examples=60, deadline=None)

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=st.none() | st.just(UTC) | offsets)
fractions = st.integers(0, 10**9).map(lambda number: f"2026-05-14T10:00:00.{number}Z")
texts = moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z"))
integers = st.integers(-(10**40), 10**40)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | st.text() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
items = st.fixed_dictionaries(
    {
        **dict.fromkeys(("schedule_id", "agent_id", "agent_name", "version_id"), st.text()),
        "status": st.sampled_from(list(map(str, BatchStatus))) | st.text(),
        "start_mode": st.sampled_from(list(map(str, StartMode))) | st.text(),
        **dict.fromkeys(("total_contacts", "completed_contacts", "failed_contacts"), integers),
        "created_at": texts | fractions,
    },
    optional={"scheduled_at": st.none() | texts, "new": json_values, "_load_next": json_values},
)
answers = st.builds(
    lambda items, page, envelope: documented.listing(*items, data=page, **envelope),
    st.lists(items, max_size=3),
    st.fixed_dictionaries({}, optional={"total": integers, "has_more": st.booleans(), "new": json_values}),
    st.fixed_dictionaries({}, optional={"status_code": integers | st.none(), "message": json_values}),
)


def places(value, place=()):
    """Return where every value of a document is."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [deeper for key, child in inner for deeper in places(child, (*place, key))]


@st.composite
def broken_answers(draw):
    """Take an answer, and change, empty or remove some of its values."""
    answer = draw(answers)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(answer)))
        holder = answer
        for key in way:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = draw(json_values)
        else:
            del holder[last]
        if not answer:
            break
    return answer


@st.composite
def broken_bodies(draw):
    """Take an answer's bytes, and exchange, remove or add some."""
    body = json.dumps(draw(answers), ensure_ascii=draw(st.booleans())).encode()
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(start + 3, len(body))))
    return body[:start] + draw(st.binary(max_size=3)) + body[end:]


def outcome(decode, body):
    """Return what comes of a body: a page, an envelope, or the text of the decode error."""
    try:
        return decode(body)
    except ResponseDecodeError as error:
        return str(error)


def slowly(body):
    """Decode by the converter alone."""
    answer = parse_object(body)
    return refusal(answer) or _listing(answer, CallBatch)


def check_agreement(body):
    """Whatever the quick way takes, the converter gives the same to the last type; nothing else escapes from either."""
    quick, slow = quick_page(body, CallBatch), outcome(slowly, body)
    if quick is not None:
        assert quick == slow
        assert repr(quick) == repr(slow)  # classes and time zones included
    assert outcome(lambda body: decode_page(body, CallBatch), body) == slow
    if isinstance(slow, str):
        assert slow.isprintable()
    return slow


@FEW
@given(answers)
def test_valid_pages(answer):
    """Every page of the documented types decodes, unless a moment is beyond the calendar, to what it says."""
    slow = check_agreement(json.dumps(answer).encode())
    if isinstance(slow, str):
        assert "_at is wrong: expected an ISO 8601 date and time within the years 1 to 9999" in slow
    elif isinstance(slow, Page):
        for batch, item in zip(slow, answer["data"]["items"], strict=True):
            plain = {name: item[name] for name in batch.to_dict() if not name.endswith("_at")}
            assert plain.items() <= batch.to_dict().items()
            if "." not in item["created_at"]:
                read = datetime.fromisoformat(item["created_at"])
                assert batch.created_at == (read if read.tzinfo else read.replace(tzinfo=UTC))
            assert batch.created_at.tzinfo is UTC
    else:
        assert isinstance(slow, Envelope)
        assert 400 <= slow.status_code <= 599


@FEW
@given(broken_answers())
def test_broken_pages(answer):
    """A page of which some values are others or missing is read alike by both ways."""
    check_agreement(json.dumps(answer).encode())


@FEW
@given(broken_bodies() | st.binary(max_size=20))
@example(json.dumps(documented.listing(documented.ITEM, new="@")).encode().replace(b"@", b"\xff"))
@example(json.dumps(documented.listing(documented.ITEM, new="@")).encode().replace(b'"@"', b"1e999"))
@example(json.dumps(documented.listing(documented.ITEM, new="@")).encode().replace(b'"@"', b"NaN"))
@example(json.dumps(documented.listing(documented.ITEM, new="@")).encode().replace(b"@", rb"\ud800"))
@example(json.dumps(documented.listing(documented.ITEM, new="@")).encode().replace(b'"@"', b"[" * 400 + b"]" * 400))
def test_broken_bytes(body):
    """A body of which some bytes are others or missing is read alike by both ways."""
    check_agreement(body)
