"""Jobs: orders that take a while, carried out by a worker in some consumer process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from application.dead_letters.letters import Headers, LetterOrigin
from application.dead_letters.orders import Order


class JobState(StrEnum):
    """How a job stands."""

    RUNNING = "running"
    """A worker has it, or the next free one takes it."""
    PAUSED = "paused"
    """A person stopped it for now."""
    HALTED = "halted"
    """It stopped by itself, and says why; a person may resume it."""
    CANCELLED = "cancelled"
    FINISHED = "finished"
    """Each of its letters has its outcome."""


class JobCommand(StrEnum):
    """What a person can do to a job."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    """Letters that it has not published become dead again; the others get their outcomes."""


class ItemState(StrEnum):
    """How far a job is with one of its letters."""

    WAITING = "waiting"
    SENDING = "sending"
    """It may have been published; it is published again if this was not noted."""
    REPLAYED = "replayed"
    """The log has it."""
    STORED = "stored"
    """The table has its event."""
    DEAD = "dead"
    """It failed again, or the log refuses it."""
    CHANGED = "changed"
    """Discarded, or restored."""
    CANCELLED = "cancelled"


class JobGroup(NamedTuple):
    """How many letters with one fingerprint a job has in each state."""

    fingerprint: str
    counts: Mapping[ItemState, int]


class JobFailure(NamedTuple):
    """A letter that did not end well."""

    letter_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and how far it is. Times are in UTC, None until they come."""

    id: UUID
    order: Order
    wanted: Mapping[str, object]
    """Which letters were chosen, as JSON."""
    who: str
    state: JobState
    why: str | None
    """Why it halted, or what it waits for."""
    letters: int
    counts: Mapping[ItemState, int]
    """Its letters by state; sums up to `letters`."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    rate: float | None
    """Letters a second that were published since it was started; None before."""


@dataclass(frozen=True, slots=True)
class JobInFull:
    """A job with its outcomes by fingerprint, and the latest letters that failed, at most 20."""

    job: Job
    groups: Sequence[JobGroup]
    failures: Sequence[JobFailure]


@dataclass(frozen=True, slots=True)
class ReplayItem:
    """A letter to be published again, or that was."""

    letter_id: str
    number: int
    """Of this replay of the letter, from 1."""
    edit: int
    """The number of the edit that `value` is; 0 for the original."""
    origin: LetterOrigin | None
    """None where the letter's id is not that of a place in the events' topic: its replay is recognised by that id."""
    first_failed_at: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers
    """The original ones."""
    needs_new_id: bool
    """Whether its event gets a new id, which follows from `letter_id` and `number`."""
    partition: int | None = None
    """Where the log has it, once that is noted."""
    offset: int | None = None


class LeaseLost(Exception):
    """Another worker has the job."""


class NotPossible(Exception):
    """The job's state does not allow it; the message says why."""
