"""The validator: only `Invalid` is raised, and a payload that passes is one that PostgreSQL's `jsonb` takes."""

import json
import re
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.event_types import LEGACY_TYPES
from domain.payload_rules import MAX_PAYLOAD_DEPTH, MAX_PRINTED_BYTES, check_payload, printed_bytes
from domain.validation import MAX_USER_ID_CHARS, Invalid
from tests.fuzz.damage import damaged
from tests.support.events import RULES
from tests.support.json_bytes import skipped_payloads, timestamps
from tests.support.strategies import moments

_FRAGMENTS = [
    *[b"\\u0000", b"\\\\u0000", b"\\\\", b'\\"', b"\\ud800", b"\xff", b"\xc0\x80", b"\x00", b"1e8000,", b"1e8001"],
    *[b"[" * 199, b"]" * 199, b'"', b"{", b"}", b",", b"e", b"E+", b".", b"0e00009", b"0" * 8_000, b"1e8000," * 80],
]
_REFUSED_CHARACTERS = re.compile("[\0\ud800-\udfff]")
_DIGITS_BEFORE_POINT, _DIGITS_BEHIND_POINT = 131_072, 16_383
"""Where PostgreSQL's `numeric` ends."""
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_skip = msgspec.json.Decoder(msgspec.Raw)

_texts = ["LOGIN", "", "a\0b", "\ud800", "ü" * MAX_USER_ID_CHARS, "x" * (MAX_USER_ID_CHARS + 1), "9999-12-31T23-01:00"]
anything = st.recursive(
    st.sampled_from(_texts) | st.text(max_size=4) | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
ids = st.uuids() | st.uuids().map(str) | st.uuids().map(lambda made: f"{{{made}}}") | anything
user_ids = st.sampled_from(["a", "ü" * MAX_USER_ID_CHARS]) | st.text(max_size=4) | st.sampled_from(_texts) | anything
types = st.sampled_from(LEGACY_TYPES.names) | anything
times = moments | st.none() | st.datetimes() | timestamps.map(lambda text: text.decode().strip('"')) | anything


@given(payload=skipped_payloads | damaged(skipped_payloads, _FRAGMENTS, most=1))
def test_payload_that_passes_is_one_that_jsonb_takes(payload: bytes) -> None:
    """As PostgreSQL's rules are written down here, on the standard library's parser."""
    try:
        # The validator is given no other values than those that a decoder has skipped over.
        payload = bytes(_skip.decode(payload))
    except (msgspec.DecodeError, RecursionError):
        return
    try:
        assert check_payload(payload) == payload
    except ValueError as refusal:
        assert str(refusal).startswith("must ")
    else:
        length = printed_length(as_jsonb(payload))
        assert length <= printed_bytes(payload)
        assert length <= max(MAX_PRINTED_BYTES, 2 * len(payload))


@given(event_id=ids, user_id=user_ids, event_type=types, timestamp=times)
def test_any_fields_are_an_event_or_invalid(
    event_id: object, user_id: object, event_type: object, timestamp: object
) -> None:
    """Of any type, as JSON has them; the problems name fields."""
    try:
        event = RULES.validate(event_id, user_id, event_type, timestamp, b"{}")
    except Invalid as invalid:
        assert invalid.problems
        assert {problem.field for problem in invalid.problems} <= {"eventId", "userId", "eventType", "timestamp"}
    else:
        assert not _REFUSED_CHARACTERS.search(event.user_id)
        assert 1 <= len(event.user_id) <= MAX_USER_ID_CHARS
        assert event.occurred_at is None or event.occurred_at.tzinfo is UTC
        assert RULES.validate(*event) == event


def as_jsonb(payload: bytes) -> Any:
    """Parse what `jsonb` takes; raises for what it refuses."""
    text = payload.decode()
    value = json.loads(text, parse_int=_numeric, parse_float=_numeric, parse_constant=_refuse)
    assert isinstance(value, dict)
    _check_depth(value, MAX_PAYLOAD_DEPTH)
    return value


def printed_length(value: Any) -> int:
    """Return how many bytes `jsonb` prints for a value."""
    match value:
        case str():
            return len(value.encode()) + sum(len(json.dumps(each)) - 3 for each in _ESCAPED.findall(value)) + 2
        case Decimal():
            return len(f"{value:f}")
        case list():
            return 2 + sum(map(printed_length, value)) + 2 * max(0, len(value) - 1)
        case dict():
            return printed_length([*value, *value.values()]) if value else 2
        case _:
            return len(json.dumps(value))


def _numeric(text: str) -> Decimal:
    number = Decimal(text)
    assert number.adjusted() < _DIGITS_BEFORE_POINT
    assert int(number.as_tuple().exponent) >= -_DIGITS_BEHIND_POINT
    return number


def _check_depth(value: Any, left: int) -> None:
    assert left >= 0
    if isinstance(value, str):
        assert not _REFUSED_CHARACTERS.search(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_depth(key, left)
            _check_depth(inner, left - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, left - 1)


def _refuse(constant: str) -> None:
    raise AssertionError(constant)
