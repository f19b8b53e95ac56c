"""An event that the decoder refuses, looked at field by field, to name those at fault.

The decoder gives up at half a surrogate pair, at a control character and at more levels than its stack takes.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from application.publish_event import Draft
from domain.payload_rules import MAX_PAYLOAD_DEPTH
from domain.validation import Invalid, Problem
from entrypoints.http.requests.json_pieces import Unreadable, pieces

_FIELDS = ("userId", "eventType", "eventId", "timestamp", "payload")
_HEX = b"[0-9a-fA-F]{2}"
_lone_surrogate = re.compile(
    rb"\\u[dD](?:[89abAB]%b(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]%b\\u[dD])[c-fC-F]%b)" % (_HEX, _HEX, _HEX)
)
"""High without low behind it, or low without high before it. The pattern begins with a text, to be found fast."""
_CONTROLS = bytes(range(0x20))
_HARMLESS = bytes.maketrans(_CONTROLS, bytes(0x20 if byte in b"\t\n\r" else 0x5F for byte in _CONTROLS))
"""What makes white space of some control characters and underscores of the others, which JSON takes in strings only."""
_MEMBER = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:\s*(.+)', re.DOTALL)
_NO_TEXT: Final = object()
"""In the place of a value of another type, for the validator to say which type it must be."""


class _Object(msgspec.Struct):
    """Any JSON object; all that is in it is passed over."""


_object = msgspec.json.Decoder(_Object)
_value = msgspec.json.Decoder(msgspec.Raw)
_text = msgspec.json.Decoder(str | None)


class Flawed(Invalid):
    """Some fields cannot be read; `event_id` is the event's own, unchecked, if that one can."""

    def __init__(self, flaws: Mapping[str, str], event_id: object) -> None:
        super().__init__(*(Problem(name, flaw) for name, flaw in flaws.items()))
        self.event_id = event_id


def explain(body: bytes) -> Draft:
    """Raise `Unreadable` for what is no JSON, or `Flawed` with the fields that cannot be read.

    Return an event where each field can be read by itself: whether it is a good one is for the validator to say.
    """
    _check_syntax(body)
    found = _members(body)
    flaws = {name: flaw for name, value in found.items() if (flaw := _flaw(value))}
    if not flaws and (flaw := _flaw(body)):
        # It is in a field that nobody knows.
        flaws = {"body": flaw}
    if flaws:
        raise Flawed(flaws, None if "eventId" in flaws else _text_of(found.get("eventId")))
    user_id, event_type, event_id, timestamp = (_text_of(found.get(name)) for name in _FIELDS[:-1])
    return Draft(user_id, event_type, payload_of(found.get("payload", b"")), event_id, timestamp)


def payload_of(value: bytes) -> bytes | None:
    """Take null for an absent payload, and an empty array as well, which is how PHP writes an empty object."""
    is_empty = not value or value == b"null" or (value[:1] == b"[" and not value[1:-1].strip())
    return None if is_empty else value


def _check_syntax(body: bytes) -> None:
    if not body.strip():
        raise Unreadable("it is empty")
    if _syntax_error(body) and (error := _syntax_error(_without_flaws(body))):
        raise Unreadable(error)


def _syntax_error(text: bytes) -> str:
    try:
        _object.decode(text)
    except msgspec.ValidationError:
        raise Invalid(Problem("body", "must be a JSON object")) from None
    except msgspec.DecodeError as error:
        return str(error)
    except RecursionError:
        # Of what is too deep, nothing is told but that.
        return ""
    return ""


def _members(body: bytes) -> dict[str, bytes]:
    """Return the values of the known fields; of several with the same name the last one, as decoders do."""
    found: dict[str, bytes] = {}
    for piece in pieces(body, b"{}"):
        if piece is None:
            continue
        if (member := _MEMBER.fullmatch(piece)) is None:
            raise Unreadable("a member of an object is no pair of name and value")
        key, value = member.groups()
        if (name := _name(key)) in _FIELDS:
            found[name] = value
    return found


def _name(key: bytes) -> str | None:
    try:
        name: str | None = _text.decode(key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return name


def _flaw(text: bytes) -> str:
    """Tell what keeps a decoder from reading a text whose syntax is right otherwise; nothing if nothing does."""
    try:
        text.decode()
        _value.decode(text)
    except UnicodeDecodeError:
        return "must be UTF-8"
    except RecursionError:
        return f"must be nested at most {MAX_PAYLOAD_DEPTH} deep"
    except msgspec.DecodeError:
        if _lone_surrogate.search(_without_escaped_backslashes(text)):
            return "must not hold a lone surrogate, such as half of an emoji"
        return "must not hold a control character that is not escaped"
    return ""


def _text_of(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return _text.decode(value)
    except msgspec.DecodeError:
        return _NO_TEXT


def _without_flaws(text: bytes) -> bytes:
    """Put something harmless of the same length in the place of what a decoder would refuse."""
    return _lone_surrogate.sub(rb"\\u0041", _without_escaped_backslashes(text)).translate(_HARMLESS)


def _without_escaped_backslashes(text: bytes) -> bytes:
    # Pairs from the left, as a parser reads them: each backslash that is left escapes what follows it.
    return text.replace(rb"\\", b"__")
