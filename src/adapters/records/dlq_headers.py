"""The headers of our dead letters, as they are written; and the origins that any dead letter names."""

from datetime import datetime

from adapters.records.codec import Headers, render_time
from adapters.records.dlq_families import FAMILIES, MAX_INT32, OURS, number
from adapters.records.first_delivery import FIRST_FAILED_AT, REPLAYS, TIME, TIMESTAMP, first_delivery
from domain.dead_letter import MAX_REASON_CHARS, DeadLetter, Origin, Record

KIND = "dlq.kind"
ATTEMPTS = "dlq.attempts"
FAILED_AT = "dlq.failed-at"
EVENT_ID = "dlq.event-id"
EDIT = "dlq.edit"
"""Of a replay: the number of the edit that it publishes. Like the next one, its next dead letter keeps it."""
REPLAY_OF = "dlq.replay-of"
"""Of a replay of a letter that has no origin in the events' topic: the letter's id and the replay's number."""
OVERSIZE = "dlq.oversize"
"""Of a pointer: names the table that holds the whole dead letter."""
OVERSIZE_ID = "dlq.oversize-id"
"""Its id there."""


def render(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    """Render a dead letter's headers: the original ones, then ours.

    A record that was replayed and failed again keeps its first origin and tells its last error, so that headers never
    grow with replays.
    """
    record, failure = letter.record, letter.failure
    place = origin_headers(record.topic, record.partition, record.offset, record.timestamp)
    origin = first_delivery(record.topic, record.headers) or place | {
        FIRST_FAILED_AT: render_time(letter.first_failed_at).encode(),
        REPLAYS: b"0",
    }
    error: dict[str, bytes | None] = {
        KIND: failure.kind.encode(),
        "dlq.error.class": failure.error_class.encode(),
        "dlq.error.message": failure.reason[:MAX_REASON_CHARS].encode(errors="replace"),
        ATTEMPTS: b"%d" % letter.attempts,
        FAILED_AT: render_time(letter.failed_at).encode(),
        EVENT_ID: None if letter.event_id is None else str(letter.event_id).encode(),
    }
    kept = [(name, value) for name, value in record.headers if name not in origin and name not in error]
    return [*kept, *origin.items(), *((name, value) for name, value in error.items() if value is not None)]


def origin(record: Record) -> Origin:
    """Tell which origin a letter about `record` names: the record's own place, or that of its first delivery."""
    earlier = first_delivery(record.topic, record.headers)
    if earlier is None:
        return Origin(record.topic, record.partition, record.offset)
    return Origin(record.topic, *(int(earlier[name]) for name in (OURS.partition, OURS.offset, REPLAYS)))


def origins(headers: Headers) -> list[Origin]:
    """Read which origins a letter names, by whomever it was written; none where it is a bare record."""
    told = dict(headers)
    ours, *foreign = (family.place(told) for family in FAMILIES)
    first = [] if ours is None else [Origin(*ours, number(told.get(REPLAYS), 0, MAX_INT32) or 0)]
    return [*first, *(Origin(*place) for place in foreign if place is not None)]


def read_time(value: bytes | None) -> datetime | None:
    """Read a time as `render` writes it; None for anything else."""
    if value is None or TIME.fullmatch(value) is None:
        return None
    try:
        return datetime.fromisoformat(value.decode())
    except ValueError:
        return None


def origin_headers(topic: str, partition: int, offset: int, timestamp: int) -> dict[str, bytes]:
    """Render an origin."""
    return {
        OURS.topic: topic.encode(),
        OURS.partition: b"%d" % partition,
        OURS.offset: b"%d" % offset,
        TIMESTAMP: b"%d" % timestamp,
    }
