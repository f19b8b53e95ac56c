"""One event as a client writes it in JSON: a request's body, or an item of a batch."""

from typing import TypeVar
from uuid import UUID

import msgspec

from application.publish_event import Draft
from domain.validation import Invalid, Problem

T = TypeVar("T")


class _Typed(msgspec.Struct, rename="camel"):
    """A JSON object, its payload not even decoded; null counts as absent elsewhere.

    The other fields are unchecked but for the id, which the decoder reads ten times as fast as the validator would,
    and no more leniently.
    """

    user_id: object = None
    event_type: object = None
    event_id: UUID | None = None
    timestamp: object = None
    payload: msgspec.Raw = msgspec.Raw()


class _Loose(msgspec.Struct, rename="camel"):
    """Any JSON object, for the validator to say what is wrong with it."""

    user_id: object = None
    event_type: object = None
    event_id: object = None
    timestamp: object = None
    payload: msgspec.Raw = msgspec.Raw()


_typed = msgspec.json.Decoder(_Typed)
_loose = msgspec.json.Decoder(_Loose)


class Unreadable(Exception):
    """The bytes are no JSON; the message says why."""


def parse(body: bytes) -> Draft:
    """Read an event; unknown keys are ignored. Raises `Unreadable` and `Invalid`."""
    if not body.isascii():
        _require_utf8(body)
    fields: _Typed | _Loose
    try:
        fields = _typed.decode(body)
    except (msgspec.DecodeError, RecursionError):
        fields = _decode_loosely(body)
    return Draft(fields.user_id, fields.event_type, bytes(fields.payload) or None, fields.event_id, fields.timestamp)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode JSON; raises `Unreadable`, or `msgspec.ValidationError` for JSON of another kind."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable("it is nested too deep") from None


def _decode_loosely(body: bytes) -> _Loose:
    try:
        return decode(_loose, body)
    except msgspec.ValidationError as error:
        raise Invalid(Problem("body", f"must be a JSON object of ordinary values: {error}")) from None


def _require_utf8(body: bytes) -> None:
    """Check all of `body`: the decoder looks only at what it turns into text."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
