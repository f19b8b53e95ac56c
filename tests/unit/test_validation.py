"""The one validator: what an event may be, and what is said about what it may not."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES, EventType
from domain.payload_rules import MAX_DIGITS, MAX_PAYLOAD_DEPTH, MAX_PRINTED_BYTES
from domain.validation import MAX_USER_ID_CHARS, Invalid, Problem
from tests.support.events import LOGIN, RULES
from tests.support.strategies import events

validate = RULES.validate
EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"
GOOD: dict[str, Any] = {
    "event_id": EVENT_ID,
    "user_id": "user-1",
    "event_type": "LOGIN",
    "timestamp": "2026-11-22T12:00:00.123Z",
    "payload": b"{}",
}


def problems(**fields: Any) -> list[tuple[str, str]]:
    """Validate a good event changed by `fields`; return what is wrong with it."""
    with pytest.raises(Invalid) as caught:
        validate(**GOOD | fields)
    return [(problem.field, problem.message) for problem in caught.value.problems]


def payload(**fields: Any) -> bytes:
    """Validate a good event changed by `fields`; return its payload."""
    return validate(**GOOD | fields).payload


def nested(depth: int) -> bytes:
    """Make an object that is nested so deep, itself included."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def numbers(number: bytes, count: int) -> bytes:
    """Make an object that has a number so many times."""
    return b'{"a":[' + b",".join([number] * count) + b"]}"


def test_fields_as_text_become_an_event() -> None:
    """Each field has its own type; the payload stays as it is."""
    assert validate(**GOOD) == UserEvent(
        UUID(EVENT_ID), "user-1", LOGIN, datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC), b"{}"
    )


@given(event=events)
def test_event_is_valid_again(event: UserEvent) -> None:
    """The fields of an event, already parsed, may be validated once more."""
    assert validate(event.id, event.user_id, event.event_type, event.occurred_at, event.payload) == event


def test_every_problem_is_reported_at_once() -> None:
    """One answer suffices to mend a request."""
    wrong = problems(event_id="1", user_id="", event_type="login", timestamp="now", payload=b"[]")
    assert [field for field, _ in wrong] == ["eventId", "userId", "eventType", "timestamp", "payload"]


def test_problems_make_up_the_message() -> None:
    """A log line or a dead letter says what a response says."""
    assert str(Invalid(Problem("a", "must be b"), Problem("c", "must be d"))) == "a: must be b; c: must be d"


@pytest.mark.parametrize(
    "text", [EVENT_ID.upper(), EVENT_ID.replace("-", ""), UUID(EVENT_ID)], ids=["capitals", "no dashes", "parsed"]
)
def test_id_may_be_written_in_other_ways(text: object) -> None:
    """They are the same id."""
    assert validate(**GOOD | {"event_id": text}).id == UUID(EVENT_ID)


@pytest.mark.parametrize(
    "text",
    [None, 7, "", "7", EVENT_ID[:-1], EVENT_ID + "0", f"{{{EVENT_ID}}}", f"urn:uuid:{EVENT_ID}", f" {EVENT_ID}"],
)
def test_id_that_is_no_uuid_is_refused(text: object) -> None:
    """Also one that only Python would read."""
    assert problems(event_id=text) == [("eventId", "must be a UUID")]


@pytest.mark.parametrize("digit", ["0", "f", "F"])
def test_nil_and_max_uuid_are_no_id(digit: str) -> None:
    """As text and parsed alike: a field that nobody has set would make one event of all."""
    text = str(UUID(digit * 32)) if digit == "f" else digit * 32
    for event_id in (text, UUID(text)):
        assert problems(event_id=event_id) == [
            ("eventId", "must not be the nil or the max UUID, which stands for no id")
        ]


@pytest.mark.parametrize("user_id", ["x", "Jörg", "a b\n", "😀" * MAX_USER_ID_CHARS])
def test_any_other_text_is_a_user_id(user_id: str) -> None:
    """Characters are counted, not bytes."""
    assert validate(**GOOD | {"user_id": user_id}).user_id == user_id


@pytest.mark.parametrize(
    ("user_id", "message"),
    [
        (None, "must be a string"),
        (7, "must be a string"),
        ("", "must not be empty"),
        ("x" * (MAX_USER_ID_CHARS + 1), f"must have at most {MAX_USER_ID_CHARS} characters"),
        ("a\0b", "must not hold a NUL character"),
        ("a\ud800b", "must not hold a lone surrogate"),
        ("\udfff", "must not hold a lone surrogate"),
    ],
)
def test_user_id_that_cannot_be_stored_is_refused(user_id: object, message: str) -> None:
    """The first problem is reported."""
    assert problems(user_id=user_id) == [("userId", message)]


@pytest.mark.parametrize("event_type", LEGACY_TYPES.names)
def test_each_event_type_is_known_by_its_name(event_type: EventType) -> None:
    """All events of a type share one object."""
    assert validate(**GOOD | {"event_type": "".join(event_type)}).event_type is event_type


@pytest.mark.parametrize("event_type", [None, 1, "", "login", "LOGIN ", "PURCHASE", ["LOGIN"], {"LOGIN": 1}])
def test_unknown_event_type_is_refused(event_type: object) -> None:
    """The known ones are listed, and a value that has no hash is no accident."""
    assert problems(event_type=event_type) == [("eventType", "must be one of LOGIN, LOGOUT, PRODUCT_VIEW")]


def test_timestamp_may_be_unknown() -> None:
    """The caller decides what takes its place."""
    assert validate(**GOOD | {"timestamp": None}).occurred_at is None


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{ "a" : 1.50, "a":2 }',
        b'{"a":"\\\\u0000"}',
        "{'a':'ä😀'}".replace("'", '"').encode(),
        b'{"a":"' + b"[{" * MAX_PAYLOAD_DEPTH + b'"}',
        b'{"a":"\\"' + b"[{" * MAX_PAYLOAD_DEPTH + b'"}',
        b'{"a":[' + b"[]," * MAX_PAYLOAD_DEPTH + b"[]]}",
        nested(MAX_PAYLOAD_DEPTH),
        b'{"a":1e%d,"b":-1E-%d,"c":1e+0%d}' % (MAX_DIGITS, MAX_DIGITS, MAX_DIGITS),
        b'{"a":' + b"9" * MAX_DIGITS + b"}",
        b'{"a":"1e999999","b":"' + b"9" * MAX_DIGITS + b'9"}',
        numbers(b"1e8000", MAX_PRINTED_BYTES // (MAX_DIGITS + 8)),
        numbers(b"1.7976931348623157e+308", 1_000),
        numbers(b"1e1", 200_000),
        b'{"a":["' + b"1e8000," * 100_000 + b'"]}',
    ],
    ids=lambda text: text[:20].decode(),
)
def test_payload_passes_byte_for_byte(text: bytes) -> None:
    """An object within the limits, whatever its strings look like."""
    assert payload(payload=text) == text


@pytest.mark.parametrize("text", [b"", b"[]", b'"{}"', b"null", b"7", b" {}"])
def test_payload_that_is_no_object_is_refused(text: bytes) -> None:
    """Whatever else it may be."""
    assert problems(payload=text) == [("payload", "must be an object")]


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_payload_that_is_not_utf8_is_refused(text: bytes) -> None:
    """Neither stray bytes nor surrogates, overlong forms, code points beyond Unicode or halves of characters."""
    assert problems(payload=b'{"a":"' + text + b'"}') == [("payload", "must be UTF-8")]


@pytest.mark.parametrize("text", [b'"a":"\\u0000"', b'"\\u0000":1', b'"a":"\\\\\\u0000"', b'"a":"\\\\u0000\\u0000"'])
def test_payload_with_a_nul_is_refused(text: bytes) -> None:
    """An escaped backslash before it may hide the one or unhide the other."""
    assert problems(payload=b"{" + text + b"}") == [("payload", "must not hold a NUL character")]


@pytest.mark.parametrize("text", [nested(MAX_PAYLOAD_DEPTH + 1), b'{"a":' * 201 + b"1" + b"}" * 201])
def test_payload_that_is_too_deep_is_refused(text: bytes) -> None:
    """Arrays and objects count alike."""
    assert problems(payload=text) == [("payload", f"must be nested at most {MAX_PAYLOAD_DEPTH} deep")]


@pytest.mark.parametrize(
    "number",
    [
        b"1e%d" % (MAX_DIGITS + 1),
        b"1e-%d" % (MAX_DIGITS + 1),
        b"-1.5E+000%d" % (MAX_DIGITS + 1),
        b"0e99999999999999999999",
        b"1e" + b"9" * 5_000,
        b"9" * (MAX_DIGITS + 1),
        b"0." + b"9" * MAX_DIGITS,
    ],
    ids=lambda number: number[:12].decode(),
)
def test_payload_with_a_huge_number_is_refused(number: bytes) -> None:
    """By its digits or by its exponent, wherever it is."""
    message = f"must not hold a number of over {MAX_DIGITS} digits or exponent"
    for place in (b'{"a":"\\"","b":[0,%b]}', b'{"a":[%b,0]}', b'{"a":%b}', b'{"a":\n%b }', b'{"a":\t%b}', b'{"a": %b}'):
        assert problems(payload=place % number) == [("payload", message)]


@pytest.mark.parametrize(
    "text",
    [
        numbers(b"1e8000", MAX_PRINTED_BYTES // (MAX_DIGITS + 8) + 1),
        numbers(b"-1.5E-8000", 70),
        numbers(b"0e-00008000", 70),
        numbers(b"5e-324", 2_000),
        numbers(b"1e+99", 10_000),
        b'{"a":"\\"","b":1e8000' + b',"c":-1e-7999' * 80 + b"}",
    ],
    ids=lambda text: text[:20].decode(),
)
def test_payload_whose_numbers_print_long_is_refused(text: bytes) -> None:
    """Each number is within its limit, but written out they are many times as long as they are sent."""
    message = f"must not hold numbers of over {MAX_PRINTED_BYTES} bytes when their exponents are written out"
    assert problems(payload=text) == [("payload", message)]


def test_large_payload_may_print_to_twice_its_size() -> None:
    """A larger body may print more, but not more in proportion than a small one."""
    text = b'{"a":"%b","b":[%b]}' % (b"x" * MAX_PRINTED_BYTES, b",".join([b"1e8000"] * 60))
    assert payload(payload=text) == text
    longer = text.replace(b"[", b"[" + b"1e8000," * 10)
    most = 2 * len(longer)
    message = f"must not hold numbers of over {most} bytes when their exponents are written out"
    assert problems(payload=longer) == [("payload", message)]
