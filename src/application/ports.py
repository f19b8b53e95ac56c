"""Every port. A port's docstring is its contract, and `tests/contracts` holds every adapter to it.

A batch is the unit; a single event is a batch of one. One call is one transaction. Every method may raise
`Unavailable` (not now, outcome unknown) and `WrongDeployment` (a person has to act).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from domain.dead_letter import DeadLetter, Failure, Record
from domain.errors import Rejected, Unavailable
from domain.event import EventType, UserEvent

C_co = TypeVar("C_co", covariant=True)


class Receipt(NamedTuple):
    """Where an acknowledged event stands in the log; the offset is None where the log could not tell it."""

    partition: int
    offset: int | None


class EventPublisher(Protocol):
    """Appends events to the log."""

    async def publish(self, events: Sequence[UserEvent]) -> Sequence[Receipt | Rejected | Unavailable]:
        """Append `events`, those of one user in the order given; answer one outcome per event, in order.

        `Receipt` once the log has the event durably, `Rejected` when it is too large for the log, `Unavailable` when
        the outcome is unknown: it may yet appear. Once an event ends `Unavailable`, the same user's later unsent
        events of the call end so too.
        """
        ...

    async def ping(self) -> None:
        """Return when the log answers."""
        ...


class Delivery(NamedTuple, Generic[C_co]):
    """A record read from the log, and what it holds: an event, or the reason why it is none."""

    record: Record
    content: C_co


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Deliveries of one or more partitions, in offset order within each; equal only to itself.

    `assignment` is the source's token for the claim on the partitions under which they were read.
    """

    deliveries: Sequence[Delivery[UserEvent | Failure]]
    assignment: object

    @property
    def partitions(self) -> frozenset[int]:
        return frozenset(delivery.record.partition for delivery in self.deliveries)


class Superseded(Exception):
    """The batch was read under an assignment that is gone: another consumer reads its records again."""


class EventSource(Protocol):
    """Reads the log as one member of a consumer group that shares its partitions."""

    async def poll(self, limit: int, wait: float) -> Batch:
        """Read on: at most `limit` records, an empty batch when none came within `wait` seconds.

        Advances a read position that is the source's own: a record is not returned twice unless its batch was
        rewound or its partition was lost in between. Records that are no events are delivered as such.
        """
        ...

    async def commit(self, batch: Batch) -> None:
        """Make the end of `batch` the group's position in each of its partitions. Raises `Superseded`."""
        ...

    def rewind(self, batch: Batch) -> None:
        """Deliver `batch` again from its first record on; nothing happens where its assignment is gone."""
        ...

    def owns(self, batch: Batch) -> bool:
        """Tell whether `batch` could still be committed, as far as is known without asking the log."""
        ...

    def stopped(self) -> Mapping[int, str]:
        """Name the assigned partitions that are not read on, each with the reason: a person has to act."""
        ...

    def pause(self, partitions: Collection[int]) -> None:
        """Deliver nothing of `partitions` until resumed, whoever holds them meanwhile. Polling must go on."""
        ...

    def resume(self, partitions: Collection[int]) -> None:
        """Undo `pause`."""
        ...

    async def lag(self) -> Mapping[int, int]:
        """Count, for each assigned partition, the records behind the group's position, by the log's own word."""
        ...

    async def ping(self) -> None:
        """Return when the log answers and this member takes part in the group."""
        ...


class Verdict(Enum):
    """What became of one event that the store was given."""

    STORED = auto()
    DUPLICATE = auto()
    """Its id stands there already, with the same user, type and payload."""
    CONFLICT = auto()
    """Its id stands there already, with another user, type or payload; nothing was changed."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row. `payload` is JSON text; times are aware and in UTC, None where a foreign writer left them out."""

    id: UUID
    user_id: str
    event_type: str
    payload: str | None
    created_at: datetime | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which rows to list; `since` (inclusive) and `until` (exclusive) bound `created_at`."""

    user_id: str | None = None
    event_type: EventType | None = None
    since: datetime | None = None
    until: datetime | None = None


class Cursor(NamedTuple):
    """A place in the listing: after the row with these values. A None time stands behind all others."""

    created_at: datetime | None
    id: UUID


PAGE_PAYLOAD = 8 * 1024 * 1024
"""Characters of payload after which a page ends, lest a thousand large events fill the memory."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and where the next page begins; None when this is the last one."""

    rows: Sequence[StoredEvent]
    following: Cursor | None


class EventStore(Protocol):
    """The table of events: one row an id."""

    async def add(self, deliveries: Sequence[Delivery[UserEvent]]) -> Sequence[Verdict]:
        """Store the events whose ids are new, with the place where each was read; one verdict each, in order.

        Atomic and idempotent, safe under any number of concurrent writers of the same ids. Of equal ids within a call
        the first counts. Payloads are compared as JSON values, timestamps not at all. Raises `Rejected` when an
        event of the call can never be stored: nothing of the call is stored then.
        """
        ...

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        """List at most `limit` rows (1 or more): by `created_at`, then `id`, descending, absent times last.

        The row with which the payloads amount to `PAGE_PAYLOAD` characters is the page's last, whatever the limit.
        """
        ...

    async def get(self, event_id: UUID) -> StoredEvent | None:
        """Find one row."""
        ...

    async def settled_until(self) -> datetime:
        """Tell a time, as late as can be known, before which no row's `created_at` will yet appear."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def probe(self) -> None:
        """Return when the store takes a write at this moment; leaves nothing behind."""
        ...


class DeadLetters(Protocol):
    """Where records go that can never be stored."""

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        """Keep `letters`; returns only when all are durable, and may be called again with the same ones."""
        ...

    async def ping(self) -> None:
        """Return when letters could be parked."""
        ...


class OversizeLetters(Protocol):
    """Keeps letters whole that are too large for the dead letter topic."""

    async def keep(self, letter: DeadLetter) -> None:
        """Store `letter` with its bytes, once however often it is kept."""
        ...
