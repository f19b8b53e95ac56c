"""UserEvent ⇄ record: the only file that knows the keys and headers of records.

But for what dead letters add: see `dlq_headers` and `peeking`.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, NoReturn, Protocol, TypeVar
from uuid import UUID

import msgspec

from adapters.records.first_delivery import first_timestamp
from adapters.records.json_members import with_member
from domain.dead_letter import MAX_REASON_CHARS, Failure, FailureKind, Record
from domain.event import UserEvent
from domain.validation import EventRules, Invalid, Problem

Headers = Sequence[tuple[str, bytes | None]]

_CONTENT_TYPE = ("content-type", b"application/json")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIMESTAMP = -1
_RefusedT = TypeVar("_RefusedT")
_ABSENT = msgspec.Raw(b"null")


class _Typed(msgspec.Struct, gc=False):
    """A record of the right types, decoded in one pass; the payload is skipped over and kept as it is."""

    eventId: UUID
    userId: str
    eventType: str
    timestamp: datetime | None = None
    payload: msgspec.Raw = _ABSENT


class _Loose(msgspec.Struct):
    """Any JSON object, for the validator to say what is wrong with it."""

    eventId: object = None
    userId: object = None
    eventType: object = None
    timestamp: object = None
    payload: msgspec.Raw = _ABSENT


class _Record(msgspec.Struct):
    eventId: UUID
    userId: str
    eventType: str
    timestamp: str | None
    payload: msgspec.Raw


class _Readable(Protocol):
    """As much of a record as its event follows from."""

    @property
    def topic(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class _Value(NamedTuple):
    """A value without a record."""

    value: bytes
    topic: str = ""
    timestamp: int = _NO_TIMESTAMP
    headers: Headers = ()


class _NoValue(Exception):
    """The record has none."""


UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_typed = msgspec.json.Decoder(_Typed)
_loose = msgspec.json.Decoder(_Loose)
_encoder = msgspec.json.Encoder()


def encode(event: UserEvent) -> bytes:
    """Render the record's value; the payload's bytes travel verbatim."""
    timestamp = None if event.occurred_at is None else render_time(event.occurred_at)
    return _encoder.encode(_Record(event.id, event.user_id, event.event_type, timestamp, msgspec.Raw(event.payload)))


def record_headers(traceparent: bytes | None = None) -> Headers:
    """Render the headers of an event's record; it belongs to the trace `traceparent` (W3C Trace Context), if any."""
    return (_CONTENT_TYPE,) if traceparent is None else (_CONTENT_TYPE, ("traceparent", traceparent))


def encode_key(event: UserEvent) -> bytes:
    """Render the record's key: all events of one user share a partition, hence an order."""
    return event.user_id.encode()


def decoder(rules: EventRules) -> Callable[[Record], UserEvent | Failure]:
    """Make the function that reads a record's value; a record that breaks `rules` is a failure of kind `invalid`.

    What makes our own code fail is a failure of kind `unexpected`, not of the consumer. Lenient where the producers of
    the legacy service were: an absent or null payload is `{}`, an absent or null timestamp is the record's own, of a
    replay that of its first delivery (None where that is none either), unknown keys are ignored.
    """
    return _decoder(rules, _failure)


def parser(rules: EventRules) -> Callable[[bytes], UserEvent]:
    """Make the function that reads a value as `decoder` does, where its record has no timestamp.

    It raises `Invalid` with every problem; the field `value` is the value as a whole.
    """
    decode: Callable[[_Readable], UserEvent] = _decoder(rules, _raise)
    return lambda value: decode(_Value(value))


def _decoder(
    rules: EventRules, refuse: Callable[[Exception], _RefusedT]
) -> Callable[[_Readable], UserEvent | _RefusedT]:
    validate = rules.validate

    def decode(record: _Readable) -> UserEvent | _RefusedT:
        value = record.value
        if value is None:
            return refuse(_NoValue())
        fields: _Typed | _Loose
        try:
            try:
                fields = _typed.decode(value)
            except msgspec.ValidationError:
                fields = _loose.decode(value)
            payload = bytes(fields.payload)
            timestamp = _first_time(record) if fields.timestamp is None else fields.timestamp
            return validate(
                fields.eventId, fields.userId, fields.eventType, timestamp, b"{}" if payload == b"null" else payload
            )
        except Exception as error:  # noqa: BLE001 - a bug meets an input: the input is kept, and others go on
            return refuse(error)

    return decode


def _first_time(record: _Readable) -> datetime | None:
    return from_milliseconds(first_timestamp(record.topic, record.headers, record.timestamp))


def _failure(error: Exception) -> Failure:
    name = type(error).__name__
    if isinstance(error, Invalid):
        # Names of members may be long, and many records wait together.
        return Failure(FailureKind.INVALID, str(error)[:MAX_REASON_CHARS], name)
    if isinstance(error, _NoValue):
        return Failure(FailureKind.UNDECODABLE, "the record has no value", "Undecodable")
    if isinstance(error, UNDECODABLE):
        return Failure(FailureKind.UNDECODABLE, f"the value {_undecodable(error)}", name)
    return Failure(FailureKind.UNEXPECTED, "the record could not be read", name)


def _raise(error: Exception) -> NoReturn:
    raise Invalid(Problem("value", _undecodable(error))) if isinstance(error, UNDECODABLE) else error


def _undecodable(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "is no JSON object"
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    return f"is not JSON: {error}"


def with_event_id(value: bytes, event_id: UUID) -> bytes:
    """Give an event's value another id; its other bytes stay. What is no JSON object stays as it is."""
    try:
        _loose.decode(value)
    except UNDECODABLE:
        return value
    return with_member(value, "eventId", _encoder.encode(event_id))


def render_time(moment: datetime) -> str:
    """Render a time in UTC as ISO 8601 with Z, in milliseconds as JavaScript does, finer only where there is more."""
    # A fifth of the time that `isoformat` takes; it writes all six digits of a fraction, or none.
    text = _encoder.encode(moment)[1:-1].decode()
    if moment.microsecond % 1000:
        return text
    return text[:-4] + "Z" if moment.microsecond else text[:-1] + ".000Z"


def from_milliseconds(milliseconds: int) -> datetime | None:
    """Read a record's timestamp; None for one that no calendar holds, and for -1, which brokers keep for none."""
    if milliseconds == _NO_TIMESTAMP:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def headers_as_json(headers: Headers) -> list[list[str | None]]:
    """Render headers for a `json` column; values in base64, since they may be any bytes."""
    return [[name, None if value is None else b64encode(value).decode()] for name, value in headers]


def headers_from_json(headers: Sequence[tuple[str, str | None]]) -> Headers:
    """Read what `headers_as_json` has rendered."""
    return [(name, None if value is None else b64decode(value)) for name, value in headers]
