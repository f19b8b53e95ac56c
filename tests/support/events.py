"""Examples: events, where they were read, and their dead letters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from adapters.records import codec
from adapters.records.log_record import LogRecord
from application.consume.process_event import Reading
from application.ports import Delivery
from domain.dead_letter import DeadLetter, Failure, FailureKind, Record
from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES, EventType
from domain.validation import EventRules

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOGIN, LOGOUT, PRODUCT_VIEW = LEGACY_TYPES.names
RULES = EventRules(LEGACY_TYPES)
"""What the service accepts unless it is told otherwise."""
decode = codec.decoder(RULES)
"""Reads a record's value."""


def an_event(
    user_id: str = "user-1",
    payload: bytes = b'{"page":"/home"}',
    *,
    event_id: UUID | None = None,
    event_type: EventType = LOGIN,
    occurred_at: datetime = NOON,
) -> UserEvent:
    """Make an event with a new id unless one is given."""
    return UserEvent(event_id or uuid4(), user_id, event_type, occurred_at, payload)


def a_record(
    value: bytes | None, *, partition: int = 0, offset: int = 0, headers: tuple[tuple[str, bytes | None], ...] = ()
) -> LogRecord:
    """Make a record of the topic `events`."""
    return LogRecord("events", partition, offset, int(NOON.timestamp() * 1000), b"key", value, headers)


def time_of(milliseconds: int) -> datetime:
    """Read a record's timestamp."""
    moment = codec.from_milliseconds(milliseconds)
    assert moment is not None
    return moment


def delivered(*events: UserEvent) -> list[Delivery]:
    """Make deliveries of `events`, as though they were read one after the other."""
    return [Delivery(a_record(event.payload, offset=offset), event) for offset, event in enumerate(events)]


def readings_of(batch: Sequence[Record]) -> list[Reading]:
    """Decode records."""
    contents = [(record, decode(record)) for record in batch]
    return [Delivery(record, content) if isinstance(content, UserEvent) else content for record, content in contents]


def a_dead_letter(record: Record, reason: str = "the value is not JSON", attempts: int = 1) -> DeadLetter:
    """Make a dead letter about `record`."""
    failure = Failure(FailureKind.UNDECODABLE, reason, "DecodeError")
    return DeadLetter(record, failure, attempts, first_failed_at=NOON, failed_at=NOON)
