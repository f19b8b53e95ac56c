"""Parses an event field by field, to name the invalid ones, after the decoder has rejected the whole.

The decoder stops at a lone surrogate, at a control character, and at nesting deeper than its stack.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from application.publish_event import Draft
from domain.payload_rules import MAX_PAYLOAD_DEPTH
from domain.validation import Invalid, Problem
from entrypoints.http.requests.json_splitter import MalformedJson, split_json

_FIELDS = ("userId", "eventType", "eventId", "timestamp", "payload")
_HEX = b"[0-9a-fA-F]{2}"
_lone_surrogate = re.compile(
    rb"\\u[dD](?:[89abAB]%b(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]%b\\u[dD])[c-fC-F]%b)" % (_HEX, _HEX, _HEX)
)
"""A high surrogate without a low one behind it, or a low without a high one before it. A literal prefix keeps the
search fast."""
_CONTROLS = bytes(range(0x20))
_HARMLESS = bytes.maketrans(_CONTROLS, bytes(0x20 if byte in b"\t\n\r" else 0x5F for byte in _CONTROLS))
"""Turns tab, CR and LF into spaces, and other control characters into underscores, which are valid in strings only."""
_MEMBER = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:\s*(.+)', re.DOTALL)
_NO_TEXT: Final = object()
"""Replaces a value that is not a string; the validator then reports the type that it must have."""


class _Object(msgspec.Struct):
    """Any JSON object; the decoder skips all members."""


_object = msgspec.json.Decoder(_Object)
_value = msgspec.json.Decoder(msgspec.Raw)
_text = msgspec.json.Decoder(str | None)


class UnreadableFields(Invalid):
    """Some fields cannot be decoded. `event_id` is the event's own id, unchecked, if it can be decoded."""

    def __init__(self, flaws: Mapping[str, str], event_id: object) -> None:
        super().__init__(*(Problem(name, flaw) for name, flaw in flaws.items()))
        self.event_id = event_id


def parse_fields(body: bytes) -> Draft:
    """Return the event if each field can be decoded by itself; the validator checks its values.

    Raises `MalformedJson`, or `UnreadableFields` with the fields that cannot be decoded.
    """
    _check_syntax(body)
    found = _members(body)
    flaws = {name: flaw for name, value in found.items() if (flaw := _flaw(value))}
    if not flaws and (flaw := _flaw(body)):
        # The flaw is in an unknown field.
        flaws = {"body": flaw}
    if flaws:
        raise UnreadableFields(flaws, None if "eventId" in flaws else _text_of(found.get("eventId")))
    user_id, event_type, event_id, timestamp = (_text_of(found.get(name)) for name in _FIELDS[:-1])
    return Draft(user_id, event_type, payload_of(found.get("payload", b"")), event_id, timestamp)


def payload_of(value: bytes) -> bytes | None:
    """Return None for null, and for an empty array, because PHP encodes an empty object as one."""
    is_empty = not value or value == b"null" or (value[:1] == b"[" and not value[1:-1].strip())
    return None if is_empty else value


def _check_syntax(body: bytes) -> None:
    if not body.strip():
        raise MalformedJson("it is empty")
    if _syntax_error(body) and (error := _syntax_error(_without_flaws(body))):
        raise MalformedJson(error)


def _syntax_error(text: bytes) -> str:
    try:
        _object.decode(text)
    except msgspec.ValidationError:
        raise Invalid(Problem("body", "must be a JSON object")) from None
    except msgspec.DecodeError as error:
        return str(error)
    except RecursionError:
        # `_flaw` reports the depth of the nesting.
        return ""
    return ""


def _members(body: bytes) -> dict[str, bytes]:
    """Return the values of the known fields; of repeated names the last one counts, as for the decoder."""
    found: dict[str, bytes] = {}
    for piece in split_json(body, b"{}"):
        if piece is None:
            continue
        if (member := _MEMBER.fullmatch(piece)) is None:
            raise MalformedJson("a member of an object is no pair of name and value")
        key, value = member.groups()
        if (name := _text_of(key)) in _FIELDS:
            found[str(name)] = value
    return found


def _flaw(text: bytes) -> str:
    """Return why the decoder rejects a text whose syntax is correct otherwise; empty if it accepts the text."""
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
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _NO_TEXT


def _without_flaws(text: bytes) -> bytes:
    """Replace lone surrogates and control characters with valid text of the same length."""
    return _lone_surrogate.sub(rb"\\u0041", _without_escaped_backslashes(text)).translate(_HARMLESS)


def _without_escaped_backslashes(text: bytes) -> bytes:
    # Replaces pairs from the left, as a parser reads them, so each remaining backslash escapes the next character.
    return text.replace(rb"\\", b"__")
