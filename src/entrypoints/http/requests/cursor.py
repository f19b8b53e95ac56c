"""A place in the listing as text that clients hand back without looking into it."""

from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

from application.listing import Cursor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds since the epoch, then the id.
_LAYOUT = Struct(">q16s")
_NO_TIME = -(1 << 63)


def encode(place: Cursor) -> str:
    """Render `place` as base64url."""
    microseconds = _NO_TIME if place.created_at is None else (place.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_LAYOUT.pack(microseconds, place.id.bytes)).decode()


def decode(text: str) -> Cursor:
    """Read what `encode` rendered. Raises `ValueError`."""
    try:
        data = b64decode(text, altchars=b"-_", validate=True)
        microseconds, event_id = _LAYOUT.unpack(data)
        created_at = None if microseconds == _NO_TIME else _EPOCH + timedelta(microseconds=microseconds)
    except Exception:  # noqa: BLE001 - decoding, unpacking and the calendar each have their own errors
        raise ValueError("must be one that a Link header gave") from None
    return Cursor(created_at, UUID(bytes=event_id))
