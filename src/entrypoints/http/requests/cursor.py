"""Opaque cursors: a position in the list as text.

A cursor may contain the user id too, if the link would be too long otherwise: 512 characters of four bytes each take
6,144 characters in a query string, but at most 1,715 in a cursor.
"""

from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct
from uuid import UUID

from application.listing import Cursor
from domain.validation import MAX_USER_ID_CHARS, parse_user_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds since the epoch, then the id.
_LAYOUT = Struct(">q16s")
_NO_TIME = -(1 << 63)
_CODE_POINTS = 0x110000
"""A user id is encoded as a number in this base, each character a digit."""
_MAX_USER_ID_BYTES = ((_CODE_POINTS**MAX_USER_ID_CHARS).bit_length() + 7) // 8


def encode(position: Cursor, user_id: str | None = None) -> str:
    """Encode a position, and a user id if there is one, as base64url."""
    microseconds = _NO_TIME if position.created_at is None else (position.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_LAYOUT.pack(microseconds, position.id.bytes) + pack_text(user_id or "")).decode()


def decode(text: str) -> tuple[Cursor, str | None]:
    """Decode the position, and the user id if there is one. Raises `ValueError`."""
    try:
        data = b64decode(text, altchars=b"-_", validate=True)
        microseconds, event_id = _LAYOUT.unpack_from(data)
        created_at = None if microseconds == _NO_TIME else _EPOCH + timedelta(microseconds=microseconds)
        packed = data[_LAYOUT.size :]
        user_id = parse_user_id(unpack_text(packed)) if packed else None
    except Exception:  # noqa: BLE001 - base64, struct and datetime raise different errors
        raise ValueError("must be one that a Link header gave") from None
    return Cursor(created_at, UUID(bytes=event_id)), user_id


def pack_text(text: str) -> bytes:
    """Encode a text of at most `MAX_USER_ID_CHARS` characters."""
    number = 0
    for character in text:
        number = number * _CODE_POINTS + ord(character)
    return number.to_bytes((number.bit_length() + 7) // 8)


def unpack_text(data: bytes) -> str:
    """Decode what `pack_text` has encoded. Raises `ValueError`."""
    if len(data) > _MAX_USER_ID_BYTES:
        raise ValueError
    number = int.from_bytes(data)
    characters: list[str] = []
    while number:
        number, code_point = divmod(number, _CODE_POINTS)
        characters.append(chr(code_point))
    return "".join(reversed(characters))
