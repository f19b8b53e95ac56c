"""The headers of dead letters: ours, as they are written, and others' as well, as they are read."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from adapters.wire import render_time
from domain.dead_letter import DeadLetter, Origin, Record

MAX_REASON_CHARS = 500
"""Keeps a letter's own headers far below the 64 KiB by which the dead letter topic's limit exceeds the source's."""
_REPLAYS = "dlq.replays"


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
    origin = _place(record) | {
        "dlq.first-failed-at": render_time(letter.first_failed_at).encode(),
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
    ours = _as_first_told(record, origin)
    ours |= {name: value for name, value in error.items() if value is not None}
    kept = [(name, value) for name, value in record.headers if name not in origin and name not in error]
    return [*kept, *ours.items()]


def origin(record: Record) -> Origin:
    """Tell which origin a letter about `record` names: the record's own place, or that of its first delivery."""
    told = _as_first_told(record, _place(record) | {_REPLAYS: b"0"})
    return _named(_OURS, told) or Origin(record.topic, record.partition, record.offset)


def origins(letter: Record) -> list[Origin]:
    """Read which origins a letter names, by whomever it was written; none where it is a bare record."""
    headers = dict(letter.headers)
    named = (_named(family, headers) for family in (_OURS, *_FOREIGN))
    return [each for each in named if each is not None]


def _place(record: Record) -> dict[str, bytes]:
    return {
        "dlq.topic": record.topic.encode(),
        "dlq.partition": b"%d" % record.partition,
        "dlq.offset": b"%d" % record.offset,
        "dlq.timestamp": b"%d" % record.timestamp,
    }


def _as_first_told(record: Record, headers: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """Replace `headers` by those of the record where it is a replay: a producer that invents them has no say."""
    original = dict(record.headers)
    is_replay = (original.get(_REPLAYS) or b"0") != b"0"
    return {name: original.get(name, value) if is_replay else value for name, value in headers.items()}


def _named(family: _Family, headers: Mapping[str, bytes | None]) -> Origin | None:
    topic, partition, offset = (headers.get(name) for name in family[:3])
    if topic is None or partition is None or offset is None:
        return None
    replays = (headers.get(_REPLAYS) or b"0") if family is _OURS else b"0"
    try:
        return Origin(topic.decode(), family.number(partition), family.number(offset), int(replays))
    except ValueError:
        return None
