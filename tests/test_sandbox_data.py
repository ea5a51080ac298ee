"""The sandbox's made-up data: deterministic, distinct, consistent."""

import ast
import collections
import hashlib
import itertools
import json
import pathlib
import re
import sys
from datetime import datetime

import pytest
from hypothesis import given, settings, strategies as st

from techladder_async.sandbox import data, details

FIELDS = [
    "schedule_id", "agent_id", "agent_name", "version_id", "status", "start_mode",
    "total_contacts", "completed_contacts", "failed_contacts", "scheduled_at", "created_at",
]  # fmt: skip


def test_same_seed_same_data_everywhere():
    """The first batches of seed 0 are what they always were, on every Python."""
    text = json.dumps(data.make_batches(100, 0), sort_keys=True)
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "478d87f36cbd7f7cfc5b989dcfa8038c47a5d0f17df5f1e421f5cfaf88734e0b"
    )


def test_key_has_the_documented_form():
    """A key is sk_ and 64 URL-safe characters, and another seed has another key."""
    assert re.fullmatch(r"sk_[A-Za-z0-9_-]{64}", data.make_key(0))
    assert data.make_key(0) == data.make_key(0) != data.make_key(1)


@pytest.mark.parametrize("seed", [1, -1, 10**30])
def test_another_seed_gives_other_data(seed):
    """Every integer is a seed of its own, its sign included."""
    assert data.make_batches(5, seed) not in [data.make_batches(5, other) for other in (0, 2, -seed)]


def test_a_short_listing_is_the_head_of_a_long_one():
    """The number of batches decides how many there are, not what they are."""
    assert data.make_batches(300, 7)[:20] == data.make_batches(20, 7)


def test_many_batches_are_distinct_and_ordered():
    """Of 100,000 batches no two share an id, and they are newest first."""
    batches = data.make_batches(100_000, 0)
    assert len({batch["schedule_id"] for batch in batches}) == 100_000
    created = [batch["created_at"] for batch in batches]
    assert all(newer > older for newer, older in itertools.pairwise(created))


def test_every_kind_of_batch_occurs():
    """A default sandbox has all statuses, start modes and agents, and some batches that are not scheduled."""
    batches = data.make_batches(500, 0)
    for field, values in {
        "status": data.STATUSES,
        "start_mode": data.START_MODES,
        "agent_id": [agent.agent_id for agent in data.AGENTS],
        "version_id": [version for agent in data.AGENTS for version in agent.versions],
    }.items():
        counts = collections.Counter(batch[field] for batch in batches)
        assert set(counts) == set(values)
        assert min(counts.values()) >= 5


@settings(deadline=None, max_examples=30)
@given(st.integers())
def test_every_batch_is_consistent(seed):
    """Whatever the seed, the fields of a batch fit each other."""
    agents = {agent.agent_id: agent for agent in data.AGENTS}
    for batch in data.make_batches(60, seed):
        assert list(batch) == FIELDS
        assert re.fullmatch(r"sched_[0-9a-f]{8}", batch["schedule_id"])
        agent = agents[batch["agent_id"]]
        assert batch["agent_name"] == agent.name
        assert batch["version_id"] in agent.versions
        assert (batch["scheduled_at"] is not None) == (batch["start_mode"] == "scheduled")
        assert batch["scheduled_at"] is None or batch["scheduled_at"] > batch["created_at"]
        _check_counts(batch)


def _check_counts(batch):
    done, total = batch["completed_contacts"] + batch["failed_contacts"], batch["total_contacts"]
    assert min(batch["completed_contacts"], batch["failed_contacts"]) >= 0
    if batch["status"] == "pending":
        assert done == 0
    elif batch["status"] == "completed":
        assert done == total
    else:
        assert done < total


@pytest.mark.parametrize("status", data.STATUSES)
def test_the_calls_of_a_batch_fit_its_counts(status):
    """A batch has a call for each contact, with an id of its own and a status that adds up."""
    batch = next(batch for batch in data.make_batches(200, 0) if batch["status"] == status)
    calls = details.batch_calls(batch)
    counts = collections.Counter(call["status"] for call in calls)
    assert len({call["call_id"] for call in calls}) == len(calls) == batch["total_contacts"]
    assert (counts["completed"], counts["failed"]) == (batch["completed_contacts"], batch["failed_contacts"])
    assert all((call["duration_seconds"] is None) == (call["ended_at"] is None) for call in calls)


def test_the_details_of_a_batch():
    """One batch alone has the documented fields on top of the listing's."""
    for batch in data.make_batches(100, 0):
        whole = details.batch_details(batch)
        assert set(whole) - set(batch) == {
            "voice", "did_number", "pending_contacts", "concurrency", "recording_enabled", "started_at", "updated_at",
        }  # fmt: skip
        assert (
            whole["pending_contacts"] + batch["completed_contacts"] + batch["failed_contacts"]
            == batch["total_contacts"]
        )
        assert (whole["started_at"] is None) == (batch["status"] == "pending")
        assert datetime.fromisoformat(whole["updated_at"]).tzinfo is not None


def test_the_sandbox_imports_nothing_of_the_client():
    """The sandbox needs aiohttp, attrs and the standard library, and no other part of the package."""
    allowed = sys.stdlib_module_names | {"aiohttp", "attrs"}
    for path in pathlib.Path(data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and node.module.split(".")[0] in allowed), (
                    path,
                    node.module,
                )
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path
