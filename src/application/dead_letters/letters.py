"""What the index of dead letters holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

Headers = Sequence[tuple[str, bytes | None]]

UNKNOWN = "unknown"
"""The kind of a dead letter whose writer says none: the legacy service, or another program."""


class LetterState(StrEnum):
    """What became of a dead letter."""

    DEAD = "dead"
    """Nobody has done anything about its last failure."""
    REPLAYING = "replaying"
    """A replay job will publish it."""
    REPLAYED = "replayed"
    """The log has it again; its outcome is not known yet."""
    STORED = "stored"
    """The table has its event."""
    DISCARDED = "discarded"
    """A person gave it up."""


class LetterOrigin(NamedTuple):
    """Where a record stood when it failed first; `timestamp` is in milliseconds since the epoch, -1 if unknown."""

    topic: str
    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ReadLetter:
    """What one record of the DLQ says, by whomever it was written.

    `id` names the letter, and stays the same in all its failures: `<partition>-<offset>` of the events' topic, or
    `dlq-<partition>-<offset>` of the DLQ where it names no origin there (`origin` is None, or in another topic).
    Texts hold no NUL and no lone surrogates.
    """

    id: str
    origin: LetterOrigin | None
    dlq_partition: int
    """-1 if the DLQ refused it: then `dlq_offset` is its number in `oversize_letters`."""
    dlq_offset: int
    kind: str
    """A `FailureKind`, or `UNKNOWN`."""
    error_class: str | None
    message: str | None
    sqlstate: str | None
    fingerprint: str
    """Equal for failures with the same cause."""
    event_id: UUID | None
    user_id: str | None
    """At most 512 characters."""
    event_type: str | None
    """At most 64 characters."""
    attempts: int
    """How often the consumer tried before it gave up."""
    replays: int
    """The number of the replay that failed; 0 for the first failure."""
    edit: int
    """The number of the edit that was replayed; 0 for the original value."""
    first_failed_at: datetime
    failed_at: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers
    """The original ones, without those that make it a dead letter, ours and others'."""

    @property
    def size(self) -> int:
        """The bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class Letter:
    """An entry of the index as a list shows it: its last failure, and what became of it. Times are in UTC."""

    id: str
    state: LetterState
    origin: LetterOrigin | None
    dlq_partition: int
    """Of the last failure, as `dlq_offset`; see `ReadLetter`."""
    dlq_offset: int
    kind: str
    error_class: str | None
    message: str | None
    sqlstate: str | None
    fingerprint: str
    event_id: UUID | None
    user_id: str | None
    event_type: str | None
    attempts: int
    replays: int
    """How often it was replayed, or is about to be."""
    edits: int
    first_failed_at: datetime
    failed_at: datetime
    changed_at: datetime
    """When its state changed last."""
    value_bytes: int | None
    """The size of its present value; None where it has none."""


class FailedAttempt(NamedTuple):
    """One failure in a letter's history."""

    dlq_partition: int
    dlq_offset: int
    replays: int
    edit: int
    kind: str
    error_class: str | None
    message: str | None
    sqlstate: str | None
    attempts: int
    failed_at: datetime


class Edit(NamedTuple):
    """A person's correction of a letter's value; numbered from 1 in each letter."""

    number: int
    at: datetime
    who: str
    reason: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LetterInFull:
    """An entry of the index with everything that is known about it; histories are oldest first."""

    letter: Letter
    key: bytes | None
    value: bytes | None
    """The original one; a present one that differs is that of the last edit."""
    headers: Headers
    failures: Sequence[FailedAttempt]
    edits: Sequence[Edit]

    @property
    def present_value(self) -> bytes | None:
        """What a replay would publish."""
        return self.edits[-1].value if self.edits else self.value


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; None matches all. `since` (inclusive) and `until` (exclusive) bound the last failure's time."""

    ids: Sequence[str] | None = None
    state: LetterState | None = None
    kind: str | None = None
    fingerprint: str | None = None
    user_id: str | None = None
    event_type: str | None = None
    event_id: UUID | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class LetterCursor(NamedTuple):
    """A position in the list, which is by time of the last failure, then id, descending: after this letter."""

    failed_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some letters, and where the next page begins; None when this is the last one."""

    letters: Sequence[Letter]
    following: LetterCursor | None


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters with one fingerprint; message and class are those of the newest, which is `sample`."""

    fingerprint: str
    kind: str
    error_class: str | None
    message: str | None
    count: int
    users: int
    """How many different users, as far as they are known."""
    first_failed_at: datetime
    """The earliest of its letters' first failures."""
    failed_at: datetime
    """The latest of their last failures."""
    oldest: datetime
    """The earliest of their last failures: the age of what waits longest."""
    sample: str
