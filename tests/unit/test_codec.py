"""Events and dead letters as bytes of a log: the legacy service's format to the byte."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.records import codec
from domain.dead_letter import MAX_REASON_CHARS, Failure, FailureKind
from domain.event import UserEvent
from domain.event_types import EventTypes
from domain.payload_schema import Violation
from domain.validation import EventRules, Invalid
from tests.support.events import NOON, PRODUCT_VIEW, RULES, a_record, an_event, decode
from tests.support.schemas import ORDER, FakeSchema
from tests.support.strategies import events

NO_TIME = "must be an RFC 3339 date and time, for instance 2026-01-31T12:00:00Z"
EVENT_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")
VALUE = (
    '{"eventId":"0198f3c0-1111-7abc-8def-0123456789ab","userId":"Jörg","eventType":"PRODUCT_VIEW",'
    '"timestamp":"2026-11-22T12:00:00.000Z","payload":{ "b" : 1.0, "a":"\\u00e4 ä" }}'
).encode()
EVENT = UserEvent(EVENT_ID, "Jörg", PRODUCT_VIEW, NOON, '{ "b" : 1.0, "a":"\\u00e4 ä" }'.encode())


def decoded(value: bytes | None) -> UserEvent:
    """Decode a record's value that must be an event."""
    event = decode(a_record(value))
    assert isinstance(event, UserEvent)
    return event


def failure(value: bytes | None) -> Failure:
    """Decode a record's value that must not be an event."""
    found = decode(a_record(value))
    assert isinstance(found, Failure)
    return found


def fields(**changed: object) -> bytes:
    """Render a good record changed by `changed`; a field given as `...` is left out."""
    whole = {"eventId": str(EVENT_ID), "userId": "u", "eventType": "LOGIN", **changed}
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def test_record_is_the_legacy_services_to_the_byte() -> None:
    """Keys in its order, time in milliseconds with Z, payload verbatim, the user as key."""
    assert codec.encode(EVENT) == VALUE
    assert codec.encode_key(EVENT) == "Jörg".encode()
    assert codec.record_headers() == (("content-type", b"application/json"),)


@given(event=events)
def test_encoded_event_decodes_to_itself(event: UserEvent) -> None:
    """Payload byte for byte and time to the microsecond included."""
    assert decoded(codec.encode(event)) == event


@pytest.mark.parametrize("payload", [..., None])
def test_absent_payload_is_an_empty_one(payload: object) -> None:
    """The legacy service's producers leave it out or send null."""
    assert decoded(fields(payload=payload)).payload == b"{}"


@pytest.mark.parametrize("timestamp", [..., None])
def test_absent_timestamp_is_the_records(timestamp: object) -> None:
    """When it was accepted is the best guess at when it happened."""
    assert decoded(fields(timestamp=timestamp)).occurred_at == NOON


def test_unknown_keys_are_ignored_and_the_last_of_equal_keys_counts() -> None:
    """As JavaScript reads it, in whichever form the first one was."""
    assert decoded(b'{"v":2,"userId":7,' + fields()[1:]) == decoded(fields())


def test_stated_time_is_read_in_any_offset() -> None:
    """And kept in UTC."""
    assert decoded(fields(timestamp="2026-01-31T12:00:00+02:00")).occurred_at == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-11-22T12:00:00.000Z", NOON),
        ("2026-11-22T12:00:00.123456Z", NOON.replace(microsecond=123_456)),
        ("0001-01-01T00:00:00.000Z", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("2026-11-22T13:00+01:00", NOON),
        ("2026-11-22t12:00:00z", NOON),
        ("2026-10-31T23:59:60Z", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_time_that_any_producer_wrote_is_read(timestamp: str, moment: datetime) -> None:
    """JavaScript's and every release's own spelling above all: what was answered with 201 is never a dead letter."""
    assert decoded(fields(timestamp=timestamp)).occurred_at == moment


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the record has no value"),
        (b"", "the value is not JSON"),
        (b"\xff\xfe", "the value is not JSON"),
        (b'{"userId":"\xff"}', "the value is not UTF-8"),
        (b'{"userId":"\xed\xa0\x80"}', "the value is not UTF-8"),
        (b"[" * 100_000, "the value is no JSON object"),
        (b'{"payload":' + b"[" * 100_000, "the value is nested too deep"),
        (b'{"x":' + b"[" * 100_000, "the value is nested too deep"),
        (b"[1]", "the value is no JSON object"),
        (b'"text"', "the value is no JSON object"),
        (b"null", "the value is no JSON object"),
        (b"{}x", "the value is not JSON"),
        (b'{"userId":"\\ud800"}', "the value is not JSON"),
    ],
    ids=repr,
)
def test_value_that_is_no_json_object_is_undecodable(value: bytes | None, reason: str) -> None:
    """The reason is one line without the value; behind a colon is the decoder's message."""
    found = failure(value)
    assert found.kind is FailureKind.UNDECODABLE
    assert found.reason.partition(":")[0] == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            b"{}",
            "eventId: must be a UUID; userId: must be a string; eventType: must be one of LOGIN, LOGOUT, PRODUCT_VIEW",
        ),
        (fields(eventId=7), "eventId: must be a UUID"),
        (fields(userId={"secret": "x"}), "userId: must be a string"),
        (fields(eventType="PURCHASE"), "eventType: must be one of LOGIN, LOGOUT, PRODUCT_VIEW"),
        (fields(timestamp=1_700_000_000), f"timestamp: {NO_TIME}"),
        (fields(timestamp="2026-01-31T12:00:00"), "timestamp: must state its offset from UTC, for instance Z"),
        (fields(timestamp="2026-01-31T12:30.5Z"), f"timestamp: {NO_TIME}"),
        (fields(payload=[1]), "payload: must be an object"),
        (fields(payload="{}"), "payload: must be an object"),
    ],
    ids=repr,
)
def test_object_that_is_no_event_is_invalid(value: bytes, reason: str) -> None:
    """Every problem is reported, and no part of its contents."""
    assert failure(value) == Failure(FailureKind.INVALID, reason, "Invalid")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC), "2026-01-02T03:04:05.678901Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_time_is_rendered_as_javascript_does(moment: datetime, text: str) -> None:
    """In milliseconds, and finer only where something would be lost."""
    assert codec.render_time(moment) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_is_rendered_as_python_has_it(moment: datetime) -> None:
    """But for its name of UTC."""
    digits = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    assert codec.render_time(moment) == moment.isoformat(timespec=digits).replace("+00:00", "Z")


@pytest.mark.parametrize("milliseconds", [-(2**63), -62_135_596_800_001, -1, 253_402_300_800_000, 2**63 - 1])
def test_record_time_that_no_calendar_holds_is_none(milliseconds: int) -> None:
    """Brokers store -1 for none, and a producer may state anything."""
    assert codec.from_milliseconds(milliseconds) is None


def test_record_time_is_read_to_the_millisecond() -> None:
    """From the calendar's beginning to its end."""
    assert codec.from_milliseconds(-62_135_596_800_000) == datetime(1, 1, 1, tzinfo=UTC)
    assert codec.from_milliseconds(-2) == datetime(1969, 12, 31, 23, 59, 59, 998_000, tzinfo=UTC)
    assert codec.from_milliseconds(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert codec.from_milliseconds(1) == datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)
    assert codec.from_milliseconds(253_402_300_799_999) == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@given(st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=5))
def test_headers_as_json_keep_every_byte(headers: list[tuple[str, bytes | None]]) -> None:
    """In order, repeated names and absent values included."""
    rendered = json.loads(json.dumps(codec.headers_as_json(headers)))
    assert [(name, value if value is None else b64decode(value)) for name, value in rendered] == headers


@pytest.mark.parametrize("milliseconds", [-1, 253_402_300_800_000])
def test_event_without_any_time_is_an_event(milliseconds: int) -> None:
    """When it happened is not known, and no other time is made up; written again it says so."""
    record = structs.replace(a_record(fields()), timestamp=milliseconds)
    event = decode(record)
    assert isinstance(event, UserEvent)
    assert event.occurred_at is None
    assert decode(structs.replace(record, value=codec.encode(event))) == event


def test_failures_of_one_cause_share_a_fingerprint() -> None:
    """And another reason has another; a lone surrogate in it is no error."""
    first, second = failure(b"[1]"), failure(b"[2]")
    other = Failure(first.kind, "\ud800", first.error_class)
    assert first.fingerprint == second.fingerprint != other.fingerprint
    assert len(first.fingerprint) == 8


def test_value_with_an_unknown_key_of_bad_bytes_is_judged_by_what_is_known() -> None:
    """Nobody reads what nobody knows."""
    assert decoded(b'{"v":"\xff",' + codec.encode(an_event())[1:]).user_id == "user-1"


def test_payload_that_breaks_its_schema_is_invalid() -> None:
    """The reason has the place, and no value."""
    rules = EventRules(EventTypes([ORDER]), {ORDER: FakeSchema()})
    found = codec.decoder(rules)(a_record(fields(eventType="ORDER_PLACED", payload={"price": "bad"})))
    assert found == Failure(FailureKind.INVALID, "payload: /price must be at least 0", "Invalid")


@pytest.mark.parametrize("event_type", ["SIGNUP", "", None, ...])
def test_type_that_is_not_accepted_is_invalid(event_type: object) -> None:
    """With the legacy service's types in the reason."""
    assert failure(fields(eventType=event_type)) == Failure(
        FailureKind.INVALID, "eventType: must be one of LOGIN, LOGOUT, PRODUCT_VIEW", "Invalid"
    )


def test_reason_stays_short() -> None:
    """Names of members may be long."""
    violations = [Violation("/a", "type", "must be a string", f"/{'x' * 250}{index}") for index in range(20)]
    rules = EventRules(EventTypes([ORDER]), {ORDER: FakeSchema(*violations)})
    found = codec.decoder(rules)(a_record(fields(eventType="ORDER_PLACED", payload={"price": "bad"})))
    assert isinstance(found, Failure)
    assert len(found.reason) == MAX_REASON_CHARS


parse = codec.parser(RULES)


def test_value_without_a_record_is_parsed_as_a_consumer_reads_it() -> None:
    """What a person writes into a dead letter; without a time of its own it has none."""
    assert parse(codec.encode(event := an_event())) == event
    assert parse(fields()).occurred_at is None


@pytest.mark.parametrize(
    ("value", "fields_of_problems"),
    [
        (b"", ["value"]),
        (b"[]", ["value"]),
        (b"{", ["value"]),
        (b"[" * 100_000, ["value"]),
        (b'{"userId":"\xff"}', ["value"]),
        (b"{}", ["eventId", "userId", "eventType"]),
        (
            b'{"eventId":7,"userId":"","eventType":"X","timestamp":"noon","payload":[]}',
            [
                "eventId",
                "userId",
                "eventType",
                "timestamp",
                "payload",
            ],
        ),
    ],
)
def test_everything_that_is_wrong_with_a_value_is_told(value: bytes, fields_of_problems: list[str]) -> None:
    """At once; bytes that are no JSON object are wrong as a whole."""
    with pytest.raises(Invalid) as raised:
        parse(value)
    assert [problem.field for problem in raised.value.problems] == fields_of_problems
