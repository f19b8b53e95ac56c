"""One event in JSON: parsed as by a reference parser, or rejected with the invalid fields."""

import json
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from application.publish_event import Draft
from domain.validation import Invalid
from entrypoints.http.requests.event_body import parse
from entrypoints.http.requests.json_splitter import MalformedJson
from tests.fuzz.damage import damaged
from tests.support.json_bytes import records
from tests.support.strategies import payloads

_FRAGMENTS = [
    *[b"\\u0000", b"\\ud83d", b"\\ude00", b"\\", b'"', b"\xff", b"\0", b"\x1f", b"\xed\xa0\x80", b"[" * 2_000, b"]"],
    *[b"{", b"}", b",", b":", b"null", b"-", b"1e999999", b'"userId":"a",', b'"user\\u0049d":"b",', b'"payload":[],'],
    *[b'"x":{', b"\xef\xbb\xbf"],
]
# Each of these is JSON by its syntax, and yet nothing that a decoder reads.
flaws = st.sampled_from(
    [
        *[b'"\\ud83d"', b'"a\\ude00b"', b'"\\ude00\\ud83d"', b'"\\\\\\ud83d"', b'"\x01"', b'"\xff"', b'"\xed\xa0\x80"'],
        *[b'{"a":["\\ud83d"]}', b'{"\\udfff":1}', b'{"a":"\xc3"}', b'{"a":"\x00"}'],
        *[b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000],
    ]
)
good_values = {
    "userId": st.sampled_from([b'"a"', b'"\\ud83d\\ude00"', b'"\\\\ud83d"', '"ü],[}{"'.encode(), b'"\\""', b"null"]),
    "eventType": st.sampled_from([b'"LOGIN"', b'"\\u004cOGIN"', b"null"]),
    "eventId": st.uuids().map(lambda made: b'"%b"' % str(made).encode()),
    "timestamp": st.sampled_from([b'"2026-01-31T12:00:00Z"', b"null"]),
    "payload": st.sampled_from([b"{}", b'{"a":[{"b":"}"}]}', b"null", b"[]"]) | payloads,
}
_NAMES = [*good_values]


@st.composite
def flawed(draw: st.DrawFn) -> tuple[bytes, set[str]]:
    """Make an object with some flawed values; return it with the names of their fields."""
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True))
    at_fault = {name for name in names if draw(st.booleans())}
    space = draw(st.sampled_from([b"", b"", b" ", b"\r\n\t"]))
    members = []
    for name in names:
        value = draw(flaws if name in at_fault else good_values[name])
        members.append(b'%b"%b"%b:%b%b%b' % (space, name.encode(), space, space, value, space))
    return b"{%b}" % b",".join(members), at_fault


@given(made=flawed())
def test_unreadable_fields_are_reported(made: tuple[bytes, set[str]]) -> None:
    """All of them, and no other."""
    body, at_fault = made
    try:
        assert isinstance(parse(body), Draft)
        named = set()
    except Invalid as invalid:
        named = {problem.field for problem in invalid.problems}
    assert named == at_fault


@given(body=st.binary(max_size=30) | records() | damaged(records(), _FRAGMENTS, most=2))
def test_any_body_parses_like_reference_or_is_rejected(body: bytes) -> None:
    """Malformed JSON is an error; an invalid field does not affect others."""
    expected = parsed(body)
    try:
        draft = parse(body)
    except MalformedJson:
        assert expected is None
    except Invalid as invalid:
        assert {problem.field for problem in invalid.problems} <= {"body", *_NAMES}
        # The standard library reads lone surrogates.
        assert not isinstance(expected, dict) or b"\\u" in body
    else:
        assert isinstance(expected, dict)
        read = (draft.user_id, draft.event_type, draft.timestamp)
        for name, value in zip(("userId", "eventType", "timestamp"), read, strict=True):
            stated = expected.get(name)
            assert value == stated if isinstance(stated, str | None) else not isinstance(value, str)
        if isinstance(draft.event_id, UUID):
            assert draft.event_id == UUID(expected["eventId"])
        payload = expected.get("payload")
        assert payload in (None, []) if draft.payload is None else parsed(draft.payload) == payload


def parsed(body: bytes) -> Any:
    """Parse by the standard library; None where it cannot, and a number as it is written, in a tuple."""
    try:
        return json.loads(body.decode(), parse_int=_number, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> tuple[str]:
    return (text,)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
