"""What names an event, out of values that may hold anything."""

from uuid import UUID

import msgspec

from adapters.records.codec import UNDECODABLE
from domain.validation import parse_id


class Peeked(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What a value says of its event; None where it says nothing that can be read."""

    event_id: UUID | None = None
    user_id: str | None = None
    event_type: str | None = None


class _Loose(msgspec.Struct, rename="camel"):
    event_id: object = None
    user_id: object = None
    event_type: object = None


_NOTHING = Peeked()
_decoder = msgspec.json.Decoder(Peeked)
_loose = msgspec.json.Decoder(_Loose)


def peek(value: bytes | None) -> Peeked:
    """Read what can be read of a value, whether or not it holds an event; never raises."""
    if value is None:
        return _NOTHING
    try:
        try:
            return _decoder.decode(value)
        except msgspec.ValidationError:
            loose = _loose.decode(value)
    except UNDECODABLE:
        return _NOTHING
    return Peeked(_id(loose.event_id), _text(loose.user_id), _text(loose.event_type))


def _id(value: object) -> UUID | None:
    try:
        return parse_id(value)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
