"""Decodes a payload for its schema without loss: each number keeps its value."""

import json
from decimal import Decimal
from typing import Final

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_MAX_INT_DIGITS = 4_000
"""Python makes no `int` of more digits than 4,300."""
UNREADABLE: Final = object()


def decode_payload(payload: bytes) -> object:
    """Decode a payload; of repeated names the last one counts, as for `jsonb`. Without a meaning it is `UNREADABLE`.

    An exponent or a fraction makes a number a `Decimal`, so do over 4,000 digits. The engine calls it an integer if its
    value is one. `UNREADABLE` are lone surrogates and what is no JSON; both are refused before.
    """
    try:
        decoded: object = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_slowly(payload)
    return decoded


def _decode_slowly(payload: bytes) -> object:
    """Decode what has more digits than the fast decoder takes."""
    try:
        text = payload.decode()
        decoded: object = json.loads(text, parse_float=Decimal, parse_int=_number)
        # Surrogates that have no partner.
        json.dumps(decoded, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError):
        return UNREADABLE
    return decoded


def _number(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_INT_DIGITS else Decimal(text)
