"""Records that can never be stored, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.fingerprint import MAX_MESSAGE_CHARS, fingerprint

MAX_REASON_CHARS = MAX_MESSAGE_CHARS
"""Keeps a letter's own headers far below the 64 KiB by which the dead letter topic's limit exceeds the source's."""


class FailureKind(StrEnum):
    """Why a record was given up."""

    UNDECODABLE = "undecodable"
    """Its bytes are no JSON object."""
    INVALID = "invalid"
    """It is JSON, but no event: the validator says why."""
    REJECTED = "rejected"
    """The database refuses this event and no other."""
    CONFLICT = "conflict"
    """Its id is taken by an event with another user, type or payload."""
    UNEXPECTED = "unexpected"
    """A bug of ours meets an input."""
    EXHAUSTED = "exhausted"
    """The retry budget was set and is spent."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one record; `reason` is one line without any payload."""

    kind: FailureKind
    reason: str
    error_class: str

    @property
    def fingerprint(self) -> str:
        """Eight hex digits, equal for failures with the same cause: groups letters for a reader."""
        return fingerprint(self.kind, self.error_class, self.reason)


class Record(Protocol):
    """A record as it stands in a log, its bytes untouched.

    A protocol, so that a log's client can hand over its own record objects without a copy.
    `timestamp` is in milliseconds since the epoch.
    """

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Origin(NamedTuple):
    """Where a record first stood, and how many times it was replayed from there."""

    topic: str
    partition: int
    offset: int
    replays: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record given up: the original verbatim, why, when, and the event's id where it could be read."""

    record: Record
    failure: Failure
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    event_id: UUID | None = None
