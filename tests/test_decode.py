"""Decoding: the documented answer, the place of what is wrong, hooks, and dates."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import get_type_hints

import attrs
import pytest

from techladder_async import BatchStatus, CallBatch, Page, ResponseDecodeError, StartMode, models
from techladder_async._decode import _made, converter
from techladder_async._envelope import Envelope
from techladder_async._quick import decode_page, quick_page
from techladder_async._switch import switch
from tests import documented

SECRET = "sk_" + "Zq9" * 20
TEXT, INTEGER, FLAG, MOMENT, MAYBE = "text", "integer", "flag", "moment", "moment or null"
ITEM_FIELDS = {
    "schedule_id": TEXT, "agent_id": TEXT, "agent_name": TEXT, "version_id": TEXT, "status": TEXT, "start_mode": TEXT,
    "total_contacts": INTEGER, "completed_contacts": INTEGER, "failed_contacts": INTEGER,
    "scheduled_at": MAYBE, "created_at": MOMENT,
}  # fmt: skip
PAGE_FIELDS = {"total": INTEGER, "page": INTEGER, "limit": INTEGER, "has_more": FLAG}
ANY_WRONG = [[SECRET], {"x": SECRET}, 5.0, -0.5]
WRONG = {
    TEXT: [*ANY_WRONG, None, 5, True],
    INTEGER: [*ANY_WRONG, None, SECRET, "5", "", True, False],
    FLAG: [*ANY_WRONG, None, SECRET, "true", 0, 1],
    MOMENT: [*ANY_WRONG, None, SECRET, 5, True, "", "2026-05-14", "2026-02-30T00:00:00Z", "soon, or a bit later"],
    MAYBE: [*ANY_WRONG, SECRET, 5, False, "", "2026-05-14"],
}


def encoded(answer):
    """Return an answer as it comes over the wire."""
    return json.dumps(answer).encode()


def four_items(**changes):
    """Return a page of four batches; the last one has other values."""
    return documented.listing(*[documented.ITEM] * 3, documented.item(**changes), data={"message": SECRET})


def refused(answer):
    """Return the text of the error that an answer gives."""
    with pytest.raises(ResponseDecodeError) as caught:
        decode_page(encoded(answer), CallBatch)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


@pytest.fixture
def fresh_converter(monkeypatch):
    """Put a new converter in the place of the process's one, for the length of a test."""
    monkeypatch.setattr("techladder_async._decode.converter", _made())
    monkeypatch.setattr(switch, "on", True)
    return models.converter


def test_documented_answer():
    """The answer of the documentation decodes field by field, by the quick way."""
    page = quick_page(documented.LISTING, CallBatch)
    assert page == decode_page(documented.LISTING, CallBatch)
    assert (page.total, page.page, page.limit, page.has_more) == (1, 1, 50, False)
    (batch,) = page.items
    assert attrs.asdict(batch) == {
        "schedule_id": "sched_7bac6f2a",
        "agent_id": "agt-57949b14",
        "agent_name": "Customer Outreach Agent",
        "version_id": "pmt-667ddf271b",
        "status": BatchStatus.PENDING,
        "start_mode": StartMode.SCHEDULED,
        "total_contacts": 150,
        "completed_contacts": 0,
        "failed_contacts": 0,
        "scheduled_at": datetime(2026, 5, 15, 8, 30, tzinfo=UTC),
        "created_at": datetime(2026, 5, 14, 10, 0, tzinfo=UTC),
    }


def test_documented_answer_by_the_converter(fresh_converter, monkeypatch):
    """The converter gives the very same page, its enums' members and time zones included."""
    monkeypatch.setattr(switch, "on", False)
    page = decode_page(documented.LISTING, CallBatch)
    assert page == quick_page(documented.LISTING, CallBatch)
    assert page.items[0].status is BatchStatus.PENDING
    assert page.items[0].start_mode is StartMode.SCHEDULED
    assert page.items[0].created_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, kind in ITEM_FIELDS.items() for value in WRONG[kind]],
    ids=lambda value: repr(value)[:20],
)
def test_wrong_field_of_an_item(field, value):
    """A mistyped field of an item is named with its place, and no value is shown."""
    text = refused(four_items(**{field: value}))
    assert f": data.items[3].{field} is wrong: expected " in text
    assert SECRET not in text


@pytest.mark.parametrize("field", [field for field, kind in ITEM_FIELDS.items() if kind != MAYBE])
def test_missing_field_of_an_item(field):
    """A missing field of an item is named with its place."""
    answer = copy.deepcopy(four_items())
    del answer["data"]["items"][3][field]
    assert f": data.items[3].{field} is missing." in refused(answer)


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, kind in PAGE_FIELDS.items() for value in WRONG[kind]]
    + [("items", value) for value in (None, SECRET, 5, True, {"0": SECRET})],
    ids=lambda value: repr(value)[:20],
)
def test_wrong_field_of_the_page(field, value):
    """A mistyped field of the page is named with its place, and no value is shown."""
    text = refused(documented.listing(documented.ITEM, data={field: value}))
    assert f": data.{field} is wrong: expected " in text
    assert SECRET not in text


@pytest.mark.parametrize("field", [*PAGE_FIELDS, "items"])
def test_missing_field_of_the_page(field):
    """A missing field of the page is named with its place."""
    answer = documented.listing(documented.ITEM)
    del answer["data"][field]
    assert f": data.{field} is missing." in refused(answer)


@pytest.mark.parametrize("value", [None, SECRET, 5, True, [SECRET]], ids=lambda value: repr(value)[:20])
def test_wrong_item_and_wrong_data(value):
    """An item, or the data, that is no object is named with its place."""
    text = refused(documented.listing(documented.ITEM, value))
    assert ": data.items[1] is wrong: expected an object, got " in text
    other = refused(documented.listing(data=None) | {"data": value})
    assert ": data is wrong: expected an object, got " in other
    assert SECRET not in text + other


def test_no_data():
    """An answer without data says that it is missing."""
    assert ": data is missing." in refused({"status_code": 200, "error": None})


def test_text_is_one_line_and_says_what_to_do():
    """A decode error is one line that says what was expected, what came, and what to do."""
    assert refused(four_items(created_at=None)) == (
        "the answer is not as documented: data.items[3].created_at is wrong: expected an ISO 8601 date and time, "
        "got null. Look for a newer version of techladder_async"
    )


@pytest.mark.parametrize("answer", [{}, [], 5, None, "x", True], ids=repr)
def test_not_an_answer(answer):
    """JSON that is no object, or an empty one, is a decode error."""
    assert "data is missing" in refused(answer) if answer == {} else "no JSON object" in refused(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"\xff\xfe{}", b"<html>502</html>", b'{"data": NaN}', b'{"data": Infinity}', b'{"a": "\xff"}',
        b"[" * 200_000, b'{"data": ' + b"[" * 200_000, b'{"data": ' * 200_000, b'{"data": "\\ud800"}', b"{} {}",
        documented.LISTING[:-1], documented.LISTING + b"}", documented.LISTING.replace(b"Agent", b"\xc0\x80"),
        documented.LISTING.replace(b"fetched", b"\xed\xa0\x80"), documented.LISTING.decode().encode("utf-16"),
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_not_json(body):
    """Whatever is no JSON in UTF-8 is a decode error in one line: nothing else escapes."""
    with pytest.raises(ResponseDecodeError, match=r"no JSON object: .*Check that base_url") as caught:
        decode_page(body, CallBatch)
    assert str(caught.value).isprintable()


def test_byte_order_mark():
    """A byte order mark before the JSON does no harm."""
    assert decode_page(b"\xef\xbb\xbf" + documented.LISTING, CallBatch) == decode_page(documented.LISTING, CallBatch)


def test_envelope_of_an_error():
    """An envelope that carries an error is returned as such, whatever the HTTP status was."""
    assert decode_page(documented.UNAUTHORIZED, CallBatch) == Envelope(
        401,
        "Missing or invalid API key",
        "UNAUTHORIZED",
        ("Provide a valid Bearer token in the Authorization header",),
    )


def test_unknown_fields_and_statuses():
    """Fields that are new are ignored, at every level, and a new status or start mode decodes."""
    answer = documented.listing(
        documented.item(status="paused", start_mode="dialled", voice={"deep": [1]}, _load_next=1),
        data={"next": "x", "load_next": 1, "_load_next": 2},
        request_id=1e300,
    )
    for body in (encoded(answer), b"\xef\xbb\xbf" + encoded(answer).replace(b"1e+300", b"1e999")):
        page = decode_page(body, CallBatch)
        assert page.items[0].status == "paused"
        assert page.items[0].start_mode == "dialled"
        assert not page.items[0].status.is_known
        assert page._load_next is None


@pytest.mark.parametrize("absent", [True, False])
def test_not_scheduled(absent):
    """`scheduled_at` is `None` where it is null and where it is absent."""
    item = documented.item(scheduled_at=None)
    if absent:
        del item["scheduled_at"]
    assert decode_page(encoded(documented.listing(item)), CallBatch).items[0].scheduled_at is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-14T10:00:00Z", 0), ("2026-05-14T10:00:00z", 0), ("2026-05-14 10:00:00Z", 0),
        ("2026-05-14T10:00:00+00:00", 0), ("2026-05-14T10:00:00-00:00", 0), ("2026-05-14T10:00:00", 0),
        ("2026-05-14T10:00", 0), ("20260514T100000Z", 0), ("2026-05-14T15:30:00+05:30", 0),
        ("2026-05-14T15:30:00+0530", 0), ("2026-05-13T22:00:00-12:00", 0), ("2026-05-14T10:00:00.25Z", 0.25),
        ("2026-05-14T10:00:00.123456", 0.123456), ("2026-05-14T12:00:00.123456+02:00", 0.123456),
        ("2026-05-14T10:00:00.1234567Z", 0.123457), ("2026-05-14T10:00:00.1234567", 0.123457),
    ],
)  # fmt: skip
def test_moments(text, seconds):
    """A moment is aware and in UTC: another offset is converted, none is read as UTC."""
    moment = decode_page(encoded(documented.listing(documented.item(created_at=text))), CallBatch).items[0].created_at
    assert moment == datetime(2026, 5, 14, 10, tzinfo=UTC) + timedelta(seconds=seconds)
    assert moment.tzinfo is UTC


MOMENTS = [name for name, hint in get_type_hints(CallBatch).items() if hint in {datetime, datetime | None}]


@pytest.mark.parametrize("name", MOMENTS)
def test_every_moment_is_in_utc(name):
    """No moment of a batch comes out with another offset, whichever field of whichever batch has one."""
    page = decode_page(encoded(four_items(**{name: "2026-05-14T12:00:00+02:00"})), CallBatch)
    assert getattr(page.items[3], name) == datetime(2026, 5, 14, 10, tzinfo=UTC)
    assert {getattr(item, name).tzinfo for item in page.items} == {UTC}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z"])
def test_moments_beyond_the_calendar(text):
    """A moment that in UTC lies outside the years 1 to 9999 is a decode error."""
    assert ": data.items[3].scheduled_at is wrong: expected" in refused(four_items(scheduled_at=text))


def test_hook_for_a_class(fresh_converter):
    """A hook on the converter is honoured from the next page on, and decides for its class alone."""
    assert decode_page(documented.LISTING, CallBatch).items[0].agent_name == "Customer Outreach Agent"
    fresh_converter.register_structure_hook(str, lambda value, _: value.upper())
    batch = decode_page(documented.LISTING, CallBatch).items[0]
    assert batch.agent_name == "CUSTOMER OUTREACH AGENT"
    assert batch.status is BatchStatus.PENDING


@pytest.mark.parametrize(
    ("way", "kind", "field"),
    [
        ("hook", int, "total_contacts"), ("hook", str, "agent_id"), ("hook", BatchStatus, "status"),
        ("hook", bool, "has_more"), ("hook", datetime, "created_at"), ("func", datetime, "created_at"),
        ("factory", datetime, "created_at"),
    ],
)  # fmt: skip
def test_every_way_to_register(fresh_converter, way, kind, field):
    """All three ways to register a hook keep the quick way, and the built-in hooks, from passing it by."""
    made = object()
    if way == "hook":
        fresh_converter.register_structure_hook(kind, lambda *_: made)
    elif way == "func":
        fresh_converter.register_structure_hook_func(lambda asked: asked is kind, lambda *_: made)
    else:
        fresh_converter.register_structure_hook_factory(lambda asked: asked is kind, lambda _: lambda *_: made)
    page = decode_page(documented.LISTING, CallBatch)
    assert getattr(page if kind is bool else page.items[0], field) is made


def test_hook_for_the_item(fresh_converter):
    """A hook for the whole item is honoured too, in a page and alone."""
    fresh_converter.register_structure_hook_func(lambda asked: asked is CallBatch, lambda value, _: value["status"])
    assert decode_page(documented.LISTING, CallBatch).items == ("pending",)
    assert CallBatch.from_dict(documented.ITEM) == "pending"


def test_hook_that_refuses(fresh_converter):
    """What a hook raises becomes a decode error that names the place."""

    def refuse(value, _):
        raise OSError("not\nthis one")

    fresh_converter.register_structure_hook(BatchStatus, refuse)
    assert ": data.items[0].status is wrong: not this one." in refused(four_items())


def test_one_converter():
    """`models.converter` is the one converter, and decoding the ordinary way registers nothing on it."""
    assert models.converter is converter
    assert isinstance(decode_page(b"\xef\xbb\xbf" + documented.LISTING, CallBatch), Page)
    assert switch.on
    with pytest.raises(AttributeError, match="no attribute 'convertor'"):
        _ = models.convertor
