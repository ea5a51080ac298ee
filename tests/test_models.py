"""The models: open enums, what a batch says of itself, and its way to JSON and back."""

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from techladder_async import BatchStatus, CallBatch, ResponseDecodeError, StartMode
from tests import documented

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
FEW = settings(max_examples=60, deadline=None)
HUGE = 10**400  # too large for a float

utc_moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0))
integers = st.integers(-HUGE, HUGE) | st.integers(-3, 300)
batches = st.builds(
    CallBatch,
    **dict.fromkeys(("schedule_id", "agent_id", "agent_name", "version_id"), st.text()),
    **dict.fromkeys(("total_contacts", "completed_contacts", "failed_contacts"), integers),
    status=(st.sampled_from(list(BatchStatus)) | st.text()).map(BatchStatus),
    start_mode=(st.sampled_from(list(StartMode)) | st.text()).map(StartMode),
    scheduled_at=st.none() | utc_moments,
    created_at=utc_moments,
)


def made(**changes):
    """Return the documented batch with other values."""
    return CallBatch.from_dict(documented.item(**changes))


def counted(total, completed=0, failed=0, status="active"):
    """Return a batch with these numbers of contacts."""
    return made(total_contacts=total, completed_contacts=completed, failed_contacts=failed, status=status)


@pytest.mark.parametrize("enum", [BatchStatus, StartMode])
@pytest.mark.parametrize("text", ["paused", "", "PENDING", "a\nb", "日本", "<x>"])
def test_unknown_member(enum, text):
    """A value that is not documented behaves like its string, and knows that it is unknown."""
    member = enum(text)
    assert isinstance(member, enum)
    assert member == text == member.value
    assert member == enum(text)
    assert member != enum(text + "x")
    assert hash(member) == hash(text)
    assert {member: 1}[text] == {text: 1}[member] == 1
    assert not member.is_known
    assert f"{member}" == str(member) == text
    assert json.loads(json.dumps({member: member})) == {text: text}
    assert repr(member) == f"{enum.__name__}({text!r})"
    assert enum(member) is member


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unknown_member_is_copied(protocol):
    """An unknown value pickles and copies as the enum that it is."""
    member = BatchStatus("paused")
    for twin in (copy.copy(member), copy.deepcopy(member), pickle.loads(pickle.dumps(member, protocol))):
        assert twin == member
        assert type(twin) is BatchStatus
        assert not twin.is_known


def test_unknown_members_are_not_remembered():
    """What a server makes up joins neither the members nor their number."""
    BatchStatus("paused")
    assert [str(status) for status in BatchStatus] == ["pending", "active", "completed", "failed", "cancelled"]
    assert [str(mode) for mode in StartMode] == ["manual", "immediate", "scheduled"]
    assert "paused" not in BatchStatus.__members__


@pytest.mark.parametrize("member", [*BatchStatus, *StartMode])
def test_known_member(member):
    """A documented value is the one member, known, after decoding, copying and pickling too."""
    assert member.is_known
    assert type(member)(str(member)) is member
    assert copy.deepcopy(member) is pickle.loads(pickle.dumps(member)) is member
    assert repr(member) == f"<{type(member).__name__}.{member.name}: {member.value!r}>"
    field = "status" if isinstance(member, BatchStatus) else "start_mode"
    assert getattr(made(**{field: str(member)}), field) is member


@pytest.mark.parametrize("value", [None, 5, True, ["pending"], b"pending"])
def test_not_a_status(value):
    """Only strings are statuses."""
    with pytest.raises(ValueError, match="is not a valid BatchStatus"):
        BatchStatus(value)


@pytest.mark.parametrize("status", BatchStatus)
def test_finished(status):
    """A batch is finished when it is completed, failed or cancelled."""
    assert made(status=str(status)).is_finished is (status in {"completed", "failed", "cancelled"})
    assert not made(status="paused").is_finished


@pytest.mark.parametrize(
    ("numbers", "progress", "pending"),
    [
        ((150, 0, 0), 0.0, 150), ((150, 75, 0), 0.5, 75), ((150, 50, 25), 0.5, 75), ((150, 100, 50), 1.0, 0),
        ((150, 150, 150), 1.0, 0), ((150, -5, 0), 0.0, 150), ((3, 1, 0), 1 / 3, 2), ((0, 0, 0), 0.0, 0),
        ((0, 5, 0), 0.0, 0), ((-5, 1, 0), 0.0, 0), ((1, HUGE, 0), 1.0, 0), ((HUGE, 1, 0), 0.0, HUGE - 1),
        ((2 * HUGE, HUGE, 0), 0.5, HUGE),
    ],
)  # fmt: skip
def test_progress(numbers, progress, pending):
    """Progress is the share of contacts done, failed ones included; whatever the server counts, it is no nonsense."""
    batch = counted(*numbers)
    assert batch.progress == progress
    assert batch.pending_contacts == pending


@pytest.mark.parametrize(
    ("status", "progress"), [("active", 0.0), ("paused", 0.0), ("completed", 1.0), ("failed", 1.0)]
)
def test_progress_without_contacts(status, progress):
    """A batch without contacts is done when it is finished."""
    assert counted(0, status=status).progress == progress


@FEW
@given(batches)
def test_progress_and_pending_agree(batch):
    """For any numbers, progress is between 0 and 1, and pending between none and all."""
    assert 0.0 <= batch.progress <= 1.0
    assert 0 <= batch.pending_contacts <= max(0, batch.total_contacts)


@FEW
@given(batches)
def test_round_trip(batch):
    """Through JSON and back, a batch is the same to the microsecond, in JSON's own types alone."""
    data = batch.to_dict()
    assert list(data) == list(documented.ITEM)
    assert {type(value) for value in data.values()} <= {str, int, type(None)}
    assert CallBatch.from_dict(json.loads(json.dumps(data))) == batch
    assert repr(CallBatch.from_dict(data)) == repr(batch)


def test_to_dict_is_the_api_s_own_form():
    """What the API wrote comes out as the API wrote it."""
    assert CallBatch.from_dict(documented.ITEM).to_dict() == documented.ITEM


def test_microseconds():
    """A fraction of a second keeps its six digits."""
    assert made(created_at="2026-05-14T10:00:00.000001Z").to_dict()["created_at"] == "2026-05-14T10:00:00.000001Z"


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 5, 14, 10), datetime(2026, 5, 14, 12, tzinfo=timezone(timedelta(hours=2)))],  # noqa: DTZ001  naive, meant so
)
def test_moment_of_a_batch_made_by_hand(moment):
    """A naive moment is UTC, another zone's is converted, whatever the machine's own zone is."""
    batch = attrs.evolve(made(), created_at=moment)
    assert batch.to_dict()["created_at"] == "2026-05-14T10:00:00Z"
    assert made(created_at=moment).created_at == datetime(2026, 5, 14, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "schedule_id is missing"),
        (documented.item(total_contacts="5"), "total_contacts is wrong: expected an integer, got a string"),
        (documented.item(status=None), "status is wrong: expected a string, got null"),
        ("x", "it is wrong: expected an object, got a string"),
    ],
)
def test_from_dict_refuses(data, text):
    """What does not fit names the field."""
    with pytest.raises(ResponseDecodeError, match=f": {text}"):
        CallBatch.from_dict(data)


def test_frozen_and_slotted():
    """A batch cannot be changed, and takes no other attributes."""
    batch = made()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        batch.status = BatchStatus.ACTIVE
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        batch.other = 1
    assert not hasattr(batch, "__dict__")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_hashable_picklable(protocol):
    """Equal batches are one in a set, and a pickled or copied one is equal."""
    batch = made(status="paused")
    twin = pickle.loads(pickle.dumps(batch, protocol))
    assert {batch, twin, copy.copy(batch), copy.deepcopy(batch)} == {batch}
    assert batch != made(status="active")
