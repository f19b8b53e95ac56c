"""Reads dead letters, by whomever they were written: us, Kafka Connect, Kafka Streams, Spring, or no known program."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from adapters.records import codec, dlq_headers, first_delivery
from adapters.records.dlq_families import FAMILIES, MAX_INT32, MAX_INT64, OURS, PREFIXES, Family, HeaderValues, number
from adapters.records.peeking import peek
from application.dead_letters.letters import UNKNOWN, LetterOrigin, ReadLetter
from domain.dead_letter import FailureKind, Record
from domain.fingerprint import MAX_CLASS_CHARS, MAX_MESSAGE_CHARS, fingerprint, sqlstate
from domain.validation import MAX_USER_ID_CHARS

_MAX_TYPE_CHARS = 64
_MAX_UTF8_BYTES = 4
_NO_TIMESTAMP = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = (OURS.topic, OURS.partition, OURS.offset, first_delivery.TIMESTAMP, first_delivery.REPLAYS)
_KINDS = {kind.value.encode(): kind.value for kind in FailureKind}
_REPLAY_OF = re.compile(rb"(dlq-(?:-1|[0-9]{1,10})-[0-9]{1,19})/([1-9][0-9]{0,9})")


def reader(topic: str) -> Callable[[Record, Record | None], ReadLetter]:
    """Make the function that reads records of the DLQ of the events' topic `topic`, as `read` does."""
    return lambda record, whole: read(record, topic, whole)


def read(record: Record, topic: str, whole: Record | None = None) -> ReadLetter:
    """Read a record of the DLQ; `topic` is the events' topic. Never raises, whatever the record holds.

    `whole` is the dead letter to which the record points. Texts are cut, and hold no NUL and no lone surrogate. For a
    time that is not known, or that no calendar holds, stands the epoch.
    """
    told: HeaderValues = dict(record.headers)
    family = _family(told)
    origin = _origin(record, told, family)
    letter_id, replays, origin = _identity(record, told, origin, topic)
    content = whole if whole is not None and _is_whole(told, whole) else record
    peeked = peek(content.value)
    message = _text(None if family is None else family.message(told), MAX_MESSAGE_CHARS)
    error_class = _text(None if family is None else family.error_class(told), MAX_CLASS_CHARS)
    if error_class is not None and family is not OURS:
        # Kafka Streams prints the exception: its class, then its message.
        error_class = error_class.partition(":")[0] or None
    kind = (_KINDS.get(told.get(dlq_headers.KIND) or b"") if family is OURS else None) or UNKNOWN
    failed_at = dlq_headers.read_time(told.get(dlq_headers.FAILED_AT))
    failed_at = failed_at or codec.from_milliseconds(record.timestamp) or _EPOCH
    return ReadLetter(
        id=letter_id,
        origin=origin,
        dlq_partition=record.partition,
        dlq_offset=record.offset,
        kind=kind,
        error_class=error_class,
        message=message,
        sqlstate=None if message is None else sqlstate(message),
        fingerprint=fingerprint(kind, error_class, message),
        event_id=peeked.event_id or _event_id(told),
        user_id=_clean(peeked.user_id, MAX_USER_ID_CHARS),
        event_type=_clean(peeked.event_type, _MAX_TYPE_CHARS),
        attempts=number(told.get(dlq_headers.ATTEMPTS), 1, MAX_INT32) or 1,
        replays=replays,
        edit=(number(told.get(dlq_headers.EDIT), 1, MAX_INT32) or 0) if replays else 0,
        first_failed_at=dlq_headers.read_time(told.get(first_delivery.FIRST_FAILED_AT)) or failed_at,
        failed_at=failed_at,
        key=content.key,
        value=content.value,
        headers=[(_name(name), value) for name, value in content.headers if not name.startswith(PREFIXES)],
    )


def points_to(record: Record) -> int | LetterOrigin | None:
    """Tell which oversize letter a record of the DLQ stands for: its number, or its origin; None for any other record.

    Never raises.
    """
    told: HeaderValues = dict(record.headers)
    if record.value is not None or dlq_headers.OVERSIZE not in told:
        return None
    found = number(told.get(dlq_headers.OVERSIZE_ID), 0, MAX_INT64)
    return _origin(record, told, OURS) if found is None else found


def _family(told: HeaderValues) -> Family | None:
    """Find out who wrote a dead letter; one that only tells its error has lost its origin, or never had one."""
    with_origin = (family for family in FAMILIES if family.place(told) is not None)
    with_error = (family for family in FAMILIES if family.error_class(told) is not None)
    return next(chain(with_origin, with_error), None)


def _origin(record: Record, told: HeaderValues, family: Family | None) -> LetterOrigin | None:
    if family is None or (place := family.place(told)) is None:
        return None
    if family.timestamp is None:
        return LetterOrigin(*place, max(record.timestamp, _NO_TIMESTAMP))
    timestamp = family.number(told.get(family.timestamp), _NO_TIMESTAMP, MAX_INT64)
    return LetterOrigin(*place, _NO_TIMESTAMP if timestamp is None else timestamp)


def _identity(
    record: Record, told: HeaderValues, origin: LetterOrigin | None, topic: str
) -> tuple[str, int, LetterOrigin | None]:
    """Tell a letter's id, the number of the replay that failed, and the origin."""
    is_ours = OURS.place(told) is not None
    replays = (number(told.get(first_delivery.REPLAYS), 0, MAX_INT32) or 0) if is_ours else 0
    replayed = _REPLAY_OF.fullmatch(told.get(dlq_headers.REPLAY_OF) or b"") if is_ours and not replays else None
    if replayed is not None and int(replayed[2]) <= MAX_INT32:
        # What it names as its origin is where the replay stood.
        return replayed[1].decode(), int(replayed[2]), None
    if origin is not None and origin.topic == topic:
        return f"{origin.partition}-{origin.offset}", replays, origin
    return f"dlq-{record.partition}-{record.offset}", 0, origin


def _is_whole(told: HeaderValues, whole: Record) -> bool:
    """Tell whether a pointer and what it points to are about one record; headers may be invented."""
    kept = dict(whole.headers)
    return all(told.get(name) == kept.get(name) for name in _SAME)


def _event_id(told: HeaderValues) -> UUID | None:
    try:
        return UUID((told.get(dlq_headers.EVENT_ID) or b"").decode())
    except ValueError:
        return None


def _text(value: bytes | None, most: int) -> str | None:
    return None if value is None else _clean(value[: most * _MAX_UTF8_BYTES].decode(errors="replace"), most)


def _clean(text: str | None, most: int) -> str | None:
    if not text:
        return None
    return _name(text[:most]).replace("\0", "\ufffd")


def _name(text: str) -> str:
    """Replace lone surrogates, which nothing but Python takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()
