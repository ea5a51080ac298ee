"""Made-up data that looks real and is the same for the same seed, on every machine and Python version.

Only `random.Random(str).random()` is drawn from: its sequence is stable, those of `choice` and `randrange` are not.
"""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import attrs

Batch = dict[str, Any]
"""A batch as the API shows it: a JSON object."""

T = TypeVar("T")

STATUSES = ("pending", "active", "completed", "failed", "cancelled")
START_MODES = ("manual", "immediate", "scheduled")
NEWEST = datetime(2026, 5, 14, 10, 0, tzinfo=UTC)
"""When the newest batch of a fresh sandbox was created."""


@attrs.frozen
class Agent:
    """An agent of the sandbox's account, with its prompt versions, newest first."""

    agent_id: str
    name: str
    voice: str
    versions: tuple[str, ...]


AGENTS = (
    Agent("agt-57949b14", "Customer Outreach Agent", "aria", ("pmt-667ddf271b", "pmt-41c0b7e93d", "pmt-0d9a52f618")),
    Agent("agt-1f03a8c2", "Appointment Reminder Agent", "leo", ("pmt-9b3e61a704", "pmt-c2785d0f1e")),
    Agent("agt-c86d2e75", "Payment Follow-up Agent", "mira", ("pmt-3fa8d410c7", "pmt-e51b96720a", "pmt-7702c4ebd9")),
    Agent("agt-8e41b09d", "Lead Qualification Agent", "noah", ("pmt-b84d07f3a2", "pmt-15ce6a98d0")),
    Agent("agt-30fa97d6", "Survey Agent", "aria", ("pmt-d60391ce5b", "pmt-28b7f4a01c", "pmt-f19e83d572")),
    Agent("agt-b25c714e", "Renewal Agent", "iris", ("pmt-5a7c20e8b6", "pmt-846f1d3e09")),
)

_HALF = 0.5

# What new batches are mostly doing, and what old ones have mostly come to; in the order of STATUSES.
_RECENT, _WEIGHTS_OF_RECENT, _WEIGHTS_OF_OLD = 50, (0.34, 0.30, 0.22, 0.06, 0.08), (0.10, 0.08, 0.62, 0.08, 0.12)


def generator(*seed: object) -> random.Random:
    """Return a generator that depends on nothing but `seed`."""
    return random.Random("/".join(map(str, seed)))  # noqa: S311  reproducible data is wanted, not secrecy


def make_key(seed: int) -> str:
    """Return the API key of a sandbox: `sk_` and 64 URL-safe characters."""
    digest = hashlib.sha512(f"techladder sandbox {seed}".encode()).digest()
    return "sk_" + base64.urlsafe_b64encode(digest).decode()[:64]


def make_id(seed: int, number: int) -> str:
    """Return the id of a sandbox's batch `number`: different numbers below 2**32 never share one."""
    start = zlib.crc32(str(seed).encode())
    return f"sched_{_scramble((start + number) & 0xFFFFFFFF):08x}"


def make_batches(count: int, seed: int) -> list[Batch]:
    """Return `count` batches, newest created first. The first ones are the same whatever the count."""
    draw = generator("batches", seed).random
    created, batches = NEWEST, []
    for number in range(count):
        weights = _WEIGHTS_OF_RECENT if number < _RECENT else _WEIGHTS_OF_OLD
        status = _weighted(STATUSES, weights, draw())
        agent = _pick(AGENTS, draw())
        total = 10 + int(draw() ** 2 * 490)
        done, failed = make_counts(status, total, draw())
        mode, scheduled = _make_start(status, created, draw(), draw())
        batches.append(
            {
                "schedule_id": make_id(seed, number),
                "agent_id": agent.agent_id,
                "agent_name": agent.name,
                "version_id": _pick(agent.versions, draw()),
                "status": status,
                "start_mode": mode,
                "total_contacts": total,
                "completed_contacts": done,
                "failed_contacts": failed,
                "scheduled_at": scheduled,
                "created_at": stamp(created),
            }
        )
        created -= timedelta(seconds=60 + int(draw() * 2400))
    return batches


def _make_start(status: str, created: datetime, kind: float, part: float) -> tuple[str, str | None]:
    """Return how a batch starts, and when: a pending one waits for its hour or a hand, the others have begun."""
    if status == "pending":
        return ("scheduled", stamp(_slot_after(NEWEST, part))) if kind < _HALF else ("manual", None)
    slot = _slot_after(created, part * 0.02)
    mode = _pick(START_MODES, kind)
    if mode == "scheduled" and slot < NEWEST:
        return mode, stamp(slot)
    return ("immediate" if mode == "scheduled" else mode), None


def make_counts(status: str, total: int, part: float) -> tuple[int, int]:
    """Return the completed and the failed contacts that fit a status; `part` (0 to 1) says how far, or how badly."""
    if status == "completed":
        failed = int(total * part * 0.15)
        return total - failed, failed
    if status not in STATUSES or status == "pending":
        return 0, 0
    handled = int(total * part)
    failed = int(handled * (0.6 if status == "failed" else 0.08))
    return handled - failed, failed


def new_batch(seed: int, number: int, created: datetime, fields: Batch) -> Batch:
    """Return a batch just created: pending and started by hand, unless `fields` says otherwise."""
    draw = generator("new batch", seed, number).random
    drawn = _pick(AGENTS, draw())
    agent = next((known for known in AGENTS if known.agent_id == fields.get("agent_id")), drawn)
    total = fields.get("total_contacts", 10 + int(draw() * 190))
    status, mode = fields.get("status", "pending"), fields.get("start_mode", "manual")
    done, failed = make_counts(status, total if isinstance(total, int) else 0, draw())
    return {
        "schedule_id": make_id(seed, number),
        "agent_id": agent.agent_id,
        "agent_name": agent.name,
        "version_id": agent.versions[0],
        "status": status,
        "start_mode": mode,
        "total_contacts": total,
        "completed_contacts": done,
        "failed_contacts": failed,
        "scheduled_at": stamp(_slot_after(created, draw())) if mode == "scheduled" else None,
        "created_at": stamp(created),
    } | fields


def stamp(moment: datetime) -> str:
    """Write a moment (aware, UTC) as the API does: `2026-05-14T10:30:00Z`."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _slot_after(moment: datetime, part: float) -> datetime:
    """Return a full quarter of an hour within two days after `moment`."""
    quarters = int(moment.timestamp()) // 900 + 1 + int(part * 192)
    return datetime.fromtimestamp(quarters * 900, UTC)


def _pick(values: tuple[T, ...], part: float) -> T:
    return values[int(part * len(values))]


def _weighted(values: tuple[T, ...], weights: tuple[float, ...], part: float) -> T:
    for value, weight in zip(values, weights, strict=True):
        part -= weight
        if part < 0:
            return value
    return values[-1]


def _scramble(number: int) -> int:
    """Mix the bits of a 32-bit number, one to one, so that neighbours look unrelated."""
    number ^= number >> 16
    number = number * 0x7FEB352D & 0xFFFFFFFF
    number ^= number >> 15
    number = number * 0x846CA68B & 0xFFFFFFFF
    return number ^ number >> 16
