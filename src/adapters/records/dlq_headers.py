"""The headers of dead letters: ours, as they are written, and others' as well, as they are read."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from adapters.records.codec import Headers, render_time
from domain.dead_letter import MAX_REASON_CHARS, DeadLetter, Origin, Record

_TIMESTAMP = "dlq.timestamp"
_FIRST_FAILED_AT = "dlq.first-failed-at"
_REPLAYS = "dlq.replays"
_MOST_INT32, _MOST_INT64 = 2**31 - 1, 2**63 - 1
_NUMBER = re.compile(rb"-?[0-9]{1,19}")
_TIME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(?:[0-9]{3})?Z")


class _Family(NamedTuple):
    """The headers by which one kind of writer names a letter's origin."""

    topic: str
    partition: str
    offset: str
    number: Callable[[bytes], int]
    """Reads the partition and the offset."""


def _big_endian(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


_OURS = _Family("dlq.topic", "dlq.partition", "dlq.offset", int)
_FOREIGN = (
    # Kafka Connect: errors.deadletterqueue.context.headers.enable=true.
    _Family("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset", int),
    # Kafka Streams since 4.2: errors.dead.letter.queue.topic.name.
    _Family("__streams.errors.topic", "__streams.errors.partition", "__streams.errors.offset", int),
    # Spring's DeadLetterPublishingRecoverer.
    _Family("kafka_dlt-original-topic", "kafka_dlt-original-partition", "kafka_dlt-original-offset", _big_endian),
)


def render(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    """Render a dead letter's headers: the original ones, then ours.

    A record that was replayed and failed again keeps its first origin and tells its last error, so that headers never
    grow with replays.
    """
    record, failure = letter.record, letter.failure
    origin = _earlier_origin(record) or _place(record) | {
        _FIRST_FAILED_AT: render_time(letter.first_failed_at).encode(),
        _REPLAYS: b"0",
    }
    error: dict[str, bytes | None] = {
        "dlq.kind": failure.kind.encode(),
        "dlq.error.class": failure.error_class.encode(),
        "dlq.error.message": failure.reason[:MAX_REASON_CHARS].encode(errors="replace"),
        "dlq.attempts": b"%d" % letter.attempts,
        "dlq.failed-at": render_time(letter.failed_at).encode(),
        "dlq.event-id": None if letter.event_id is None else str(letter.event_id).encode(),
    }
    kept = [(name, value) for name, value in record.headers if name not in origin and name not in error]
    return [*kept, *origin.items(), *((name, value) for name, value in error.items() if value is not None)]


def origin(record: Record) -> Origin:
    """Tell which origin a letter about `record` names: the record's own place, or that of its first delivery."""
    return _named(_OURS, _earlier_origin(record) or {}) or Origin(record.topic, record.partition, record.offset)


def origins(headers: Headers) -> list[Origin]:
    """Read which origins a letter names, by whomever it was written; none where it is a bare record."""
    told = dict(headers)
    named = (_named(family, told) for family in (_OURS, *_FOREIGN))
    return [each for each in named if each is not None]


def _place(record: Record) -> dict[str, bytes]:
    return {
        _OURS.topic: record.topic.encode(),
        _OURS.partition: b"%d" % record.partition,
        _OURS.offset: b"%d" % record.offset,
        _TIMESTAMP: b"%d" % record.timestamp,
    }


def _earlier_origin(record: Record) -> dict[str, bytes] | None:
    """Return the headers of a replay's first place; None where the record is none, or a producer only says it is.

    They are believed whole or not at all. What could be true is believed: whoever may write to the topic may replay.
    """
    told = dict(record.headers)
    is_replay = (
        told.get(_OURS.topic) == record.topic.encode()
        and _is_number(told.get(_OURS.partition), 0, _MOST_INT32)
        and _is_number(told.get(_OURS.offset), 0, _MOST_INT64)
        # Brokers keep -1 for a record without one.
        and _is_number(told.get(_TIMESTAMP), -1, _MOST_INT64)
        and _is_number(told.get(_REPLAYS), 1, _MOST_INT32)
        and _TIME.fullmatch(told.get(_FIRST_FAILED_AT) or b"")
    )
    names = (_OURS.topic, _OURS.partition, _OURS.offset, _TIMESTAMP, _FIRST_FAILED_AT, _REPLAYS)
    return {name: told[name] or b"" for name in names} if is_replay else None


def _is_number(value: bytes | None, least: int, most: int) -> bool:
    return value is not None and _NUMBER.fullmatch(value) is not None and least <= int(value) <= most


def _named(family: _Family, headers: Mapping[str, bytes | None]) -> Origin | None:
    topic, partition, offset = (headers.get(name) for name in family[:3])
    if topic is None or partition is None or offset is None:
        return None
    replays = (headers.get(_REPLAYS) or b"0") if family is _OURS else b"0"
    try:
        return Origin(topic.decode(), family.number(partition), family.number(offset), int(replays))
    except ValueError:
        return None
