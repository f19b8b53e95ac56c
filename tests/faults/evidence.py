"""Everything that can be seen from outside after a scenario, with the times that the servers themselves noted.

PostgreSQL keeps each transaction's commit time, the brokers note when they appended a record and when an offset was
committed, and all of it is one machine's clock: so the order of things is known exactly, not sampled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from tests.faults.history import History
from tests.faults.servers import OFFSETS_TOPIC
from tests.support.encoded import Encoded
from tests.support.records import Topics
from tests.support.world import World

Place = tuple[int, int]
"""A partition and an offset."""

_ROWS = """
    SELECT id, user_id, event_type, payload::text AS payload, occurred_at,
           extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS committed_at
    FROM events
"""
_OFFSET_KEY_VERSIONS = (0, 1)
_LEADER_EPOCH_SINCE = 3
_FLEXIBLE_SINCE = 4


class Row(NamedTuple):
    """A row of the table, and when the transaction that made it was committed."""

    id: UUID
    user: str
    event_type: str
    payload: str
    occurred_at: float
    committed_at: float


class FoundDeadLetter(NamedTuple):
    """A dead letter; `origin` is None where its headers name none."""

    record: ConsumerRecord
    headers: Mapping[str, bytes | None]
    origin: Place | None
    event_id: UUID | None


class OffsetCommit(NamedTuple):
    """A group's commit, as its coordinator noted it."""

    partition: int
    offset: int
    at: float


@dataclass(frozen=True)
class Exit:
    """How a process ended that was asked to."""

    process: str
    code: int | None
    seconds: float


@dataclass(frozen=True)
class Footprint:
    """What a process used after the run, before it was asked to end."""

    process: str
    resident_mb: float
    sockets: int


@dataclass(frozen=True)
class Evidence:
    """The responses to clients beside the contents of the servers."""

    history: History
    records: Sequence[ConsumerRecord]
    rows: Sequence[Row]
    letters: Sequence[FoundDeadLetter]
    oversize: Mapping[Place, tuple[bytes | None, bytes | None]]
    """Key and value of the dead letters that the topic was too small for."""
    commits: Sequence[OffsetCommit]
    exits: Sequence[Exit]
    footprints: Sequence[Footprint]
    sessions: int
    """The service's sessions of the database after the run, before its processes were asked to end."""
    recovery_seconds: float | None
    """From the healing until all records of the topic at that time were committed; None where that was never seen."""
    uncommitted: int
    """How many records of the topic were not committed in the end."""

    @cached_property
    def ids(self) -> dict[Place, UUID | None]:
        """The event's id in each record of the topic, None where there is none."""
        return {(record.partition, record.offset): event_id_of(record.value) for record in self.records}


async def read_rows(world: World) -> list[Row]:
    """Read the table."""
    return [
        Row(row["id"], row["user_id"], row["event_type"], row["payload"],
            row["occurred_at"].timestamp() if row["occurred_at"] else 0.0, row["committed_at"])
        for row in await world.query(_ROWS)
    ]  # fmt: skip


async def read_dead_letters(world: World) -> list[FoundDeadLetter]:
    """Read the dead-letter topic."""
    return [_letter(record) for record in await world.letters()]


async def read_oversize(world: World) -> dict[Place, tuple[bytes | None, bytes | None]]:
    """Read the dead letters in the database."""
    rows = await world.query('SELECT partition, "offset", key, value FROM oversize_letters')
    return {(row["partition"], row["offset"]): (row["key"], row["value"]) for row in rows}


async def read_commits(topics: Topics, group: str, topic: str) -> list[OffsetCommit]:
    """Read every commit that the group ever made, from the topic in which Kafka keeps them."""
    records = await topics.read(OFFSETS_TOPIC, partition=await partition_of(topics, group))
    commits = []
    for record in records:
        key = Encoded(record.key)
        if key.number("h") not in _OFFSET_KEY_VERSIONS or record.value is None:
            continue
        if (key.text(), key.text()) == (group, topic):
            commits.append(_offset_commit(key.number("i"), Encoded(record.value)))
    return commits


async def partition_of(topics: Topics, group: str) -> int:
    """Return which partition of that topic has a group's commits; its leader coordinates the group."""
    return _java_hash(group) % len(await topics.partitions(OFFSETS_TOPIC))


def _offset_commit(partition: int, value: Encoded) -> OffsetCommit:
    version, offset = value.number("h"), value.number("q")
    if version >= _LEADER_EPOCH_SINCE:
        value.number("i")
    value.compact_text() if version >= _FLEXIBLE_SINCE else value.text()  # metadata
    return OffsetCommit(partition, offset, value.number("q") / 1000)


def _letter(record: ConsumerRecord) -> FoundDeadLetter:
    headers = dict(record.headers)
    partition, offset = headers.get("dlq.partition"), headers.get("dlq.offset")
    origin = (int(partition), int(offset)) if partition and offset else None
    return FoundDeadLetter(record, headers, origin, event_id_of(record.value))


def event_id_of(value: bytes | None) -> UUID | None:
    """Read an event's id from a record, where there is one."""
    try:
        return UUID(json.loads(value or b"")["eventId"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _java_hash(text: str) -> int:
    """Java's hash of a string without its sign, by which Kafka chooses a group's partition."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF if value < 1 << 31 else (1 << 32) - value
