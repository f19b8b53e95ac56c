"""UserEvent ⇄ record: the only file that knows the keys and headers of records; for dead letters see `dlq_headers`."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from domain.dead_letter import MAX_REASON_CHARS, Failure, FailureKind, Record
from domain.event import UserEvent
from domain.validation import EventRules, Invalid

Headers = Sequence[tuple[str, bytes | None]]

_CONTENT_TYPE = ("content-type", b"application/json")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIMESTAMP = -1
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
    the legacy service were: an absent or null payload is `{}`, an absent or null timestamp is the record's own (None
    where that is none either), unknown keys are ignored.
    """
    validate = rules.validate

    def decode(record: Record) -> UserEvent | Failure:
        value = record.value
        if value is None:
            return Failure(FailureKind.UNDECODABLE, "the record has no value", "Undecodable")
        fields: _Typed | _Loose
        try:
            try:
                fields = _typed.decode(value)
            except msgspec.ValidationError:
                fields = _loose.decode(value)
            payload = bytes(fields.payload)
            timestamp = from_milliseconds(record.timestamp) if fields.timestamp is None else fields.timestamp
            return validate(
                fields.eventId, fields.userId, fields.eventType, timestamp, b"{}" if payload == b"null" else payload
            )
        except Invalid as invalid:
            # Names of members may be long, and many records wait together.
            return Failure(FailureKind.INVALID, str(invalid)[:MAX_REASON_CHARS], type(invalid).__name__)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Failure(FailureKind.UNDECODABLE, _undecodable(error), type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a bug meets an input: the input is kept, and others go on
            return Failure(FailureKind.UNEXPECTED, "the record could not be read", type(error).__name__)

    return decode


def _undecodable(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "the value is no JSON object"
    if isinstance(error, RecursionError):
        return "the value is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "the value is not UTF-8"
    return f"the value is not JSON: {error}"


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
