"""Opaque cursors of lists of dead letters, in the way of `cursor`."""

from base64 import b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from struct import Struct

from application.dead_letters.letters import LetterCursor, LetterFilter
from domain.validation import parse_user_id
from entrypoints.http.requests.cursor import pack_text, unpack_text
from entrypoints.http.requests.letter_filter import is_letter_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds since the epoch, then the length of the id, which follows; then the user id, if there is one.
_LAYOUT = Struct(">qB")


def encode(position: LetterCursor, user_id: str | None = None) -> str:
    """Encode a position, and a user id if there is one, as base64url without padding."""
    letter_id = position.id.encode()
    head = _LAYOUT.pack((position.failed_at - _EPOCH) // _MICROSECOND, len(letter_id))
    return urlsafe_b64encode(head + letter_id + pack_text(user_id or "")).decode().rstrip("=")


def decode(text: str, wanted: LetterFilter) -> tuple[LetterCursor, LetterFilter]:
    """Decode a position; return it with `wanted`, to which the cursor may add a user id. Raises `ValueError`."""
    position, user_id = _decoded(text)
    if user_id is not None and wanted.user_id not in {None, user_id}:
        raise ValueError("belongs to a list of another userId")
    return position, wanted if user_id is None else replace(wanted, user_id=user_id)


def _decoded(text: str) -> tuple[LetterCursor, str | None]:
    try:
        data = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        microseconds, length = _LAYOUT.unpack_from(data)
        failed_at = _EPOCH + timedelta(microseconds=microseconds)
        end = _LAYOUT.size + length
        letter_id, packed = data[_LAYOUT.size : end].decode("ascii"), data[end:]
        user_id = parse_user_id(unpack_text(packed)) if packed else None
    except Exception:  # noqa: BLE001 - base64, struct and datetime raise different errors
        raise ValueError("must be one that a Link header gave") from None
    if len(letter_id) != length or not is_letter_id(letter_id):
        raise ValueError("must be one that a Link header gave")
    return LetterCursor(failed_at, letter_id), user_id
