"""Dead letters as they are read: ours, and those of other programs."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from adapters.records import codec, dlq_headers, letters
from adapters.records.codec import Headers
from adapters.records.log_record import LogRecord
from adapters.records.peeking import peek
from application.dead_letters.letters import LetterOrigin, ReadLetter
from domain.dead_letter import DeadLetter, Failure, FailureKind
from tests.support.events import NOON, a_dead_letter, a_record, an_event

MILLISECONDS = 1_795_348_800_000
"""Of `NOON`."""
EVENT = an_event("Jörg")


def in_dlq(value: bytes | None, headers: Headers, *, timestamp: int = MILLISECONDS) -> LogRecord:
    """Make a record of the DLQ."""
    return LogRecord("events-dlq", 2, 40, timestamp, b"key", value, headers)


def read(value: bytes | None, headers: Headers, *, timestamp: int = MILLISECONDS) -> ReadLetter:
    """Read a record of the DLQ."""
    return letters.read(in_dlq(value, headers, timestamp=timestamp), "events")


def test_own_dead_letter_is_read_back() -> None:
    """Everything that it says, and the record as it was."""
    record = a_record(codec.encode(EVENT), partition=3, offset=7, headers=(("a", b"\xff"), ("none", None), ("a", b"2")))
    failure = Failure(FailureKind.REJECTED, "database: SQLSTATE 22P05: \0 in a text", "UntranslatableCharacterError")
    later = datetime(2026, 11, 22, 12, 0, 3, 250_001, tzinfo=UTC)
    letter = DeadLetter(record, failure, attempts=4, first_failed_at=NOON, failed_at=later, event_id=EVENT.id)
    assert read(record.value, dlq_headers.render(letter), timestamp=0) == ReadLetter(
        id="3-7",
        origin=LetterOrigin("events", 3, 7, MILLISECONDS),
        dlq_partition=2,
        dlq_offset=40,
        kind="rejected",
        error_class="UntranslatableCharacterError",
        message="database: SQLSTATE 22P05: \ufffd in a text",
        sqlstate="22P05",
        fingerprint=failure.fingerprint,
        event_id=EVENT.id,
        user_id="Jörg",
        event_type="LOGIN",
        attempts=4,
        replays=0,
        edit=0,
        first_failed_at=NOON,
        failed_at=later,
        key=b"key",
        value=record.value,
        headers=[("a", b"\xff"), ("none", None), ("a", b"2")],
    )


CONNECT = (
    ("__connect.errors.topic", b"events"),
    ("__connect.errors.partition", b"3"),
    ("__connect.errors.offset", b"300"),
    ("__connect.errors.connector.name", b"sink"),
    ("__connect.errors.task.id", b"0"),
    ("__connect.errors.stage", b"VALUE_CONVERTER"),
    ("__connect.errors.class.name", b"org.apache.kafka.connect.json.JsonConverter"),
    ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
    ("__connect.errors.exception.message", b"Converting byte[] failed; SQLState: 22P02"),
    ("__connect.errors.exception.stacktrace", b"org.apache.kafka... at ..."),
)
STREAMS = (
    ("__streams.errors.exception", b"org.apache.kafka.common.errors.SerializationException: no: int"),
    ("__streams.errors.message", b"no: int"),
    ("__streams.errors.stacktrace", b"at ..."),
    ("__streams.errors.topic", b"events"),
    ("__streams.errors.partition", b"3"),
    ("__streams.errors.offset", b"300"),
)
SPRING = (
    ("kafka_dlt-original-topic", b"events"),
    ("kafka_dlt-original-partition", b"\0\0\0\3"),
    ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\1\x2c"),
    ("kafka_dlt-original-timestamp", MILLISECONDS.to_bytes(8, "big")),
    ("kafka_dlt-original-timestamp-type", b"CreateTime"),
    ("kafka_dlt-original-consumer-group", b"group"),
    ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
    ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalArgumentException"),
    ("kafka_dlt-exception-message", b"Listener failed; no"),
    ("kafka_dlt-exception-stacktrace", b"at ..."),
)


@pytest.mark.parametrize(
    ("headers", "error_class", "message"),
    [
        (CONNECT, "org.apache.kafka.connect.errors.DataException", "Converting byte[] failed; SQLState: 22P02"),
        (STREAMS, "org.apache.kafka.common.errors.SerializationException", "no: int"),
        (SPRING, "java.lang.IllegalArgumentException", "Listener failed; no"),
    ],
    ids=["Kafka Connect", "Kafka Streams", "Spring"],
)
def test_dead_letter_of_another_program_is_read(headers: Headers, error_class: str, message: str) -> None:
    """Its origin, its error, and the original headers; its id is that of our own letter about the same record."""
    letter = read(codec.encode(EVENT), [("a", b"1"), *headers])
    assert (letter.id, letter.origin) == ("3-300", LetterOrigin("events", 3, 300, MILLISECONDS))
    assert (letter.kind, letter.error_class, letter.message) == ("unknown", error_class, message)
    assert (letter.attempts, letter.replays, letter.edit) == (1, 0, 0)
    assert (letter.first_failed_at, letter.failed_at) == (NOON, NOON)
    assert letter.headers == [("a", b"1")]
    assert letter.event_id == EVENT.id


def test_bare_record_of_the_legacy_service_is_read() -> None:
    """Its place in the DLQ is all that names it."""
    letter = read(b"{", [("a", b"1")])
    assert (letter.id, letter.origin, letter.kind) == ("dlq-2-40", None, "unknown")
    assert (letter.error_class, letter.message, letter.sqlstate) == (None, None, None)
    assert (letter.event_id, letter.user_id, letter.event_type) == (None, None, None)
    assert (letter.key, letter.value, letter.headers) == (b"key", b"{", [("a", b"1")])


def test_dead_letter_of_another_topic_has_its_place_in_the_dlq_as_its_id() -> None:
    """The origin is told."""
    letter = letters.read(in_dlq(b"{", CONNECT), "other")
    assert (letter.id, letter.origin) == ("dlq-2-40", LetterOrigin("events", 3, 300, MILLISECONDS))


def test_error_without_an_origin_is_read() -> None:
    """Kafka Connect writes -1 where it has none."""
    headers = [(name, b"-1" if name.endswith(("partition", "offset")) else value) for name, value in CONNECT]
    letter = read(b"{", headers)
    assert (letter.id, letter.origin) == ("dlq-2-40", None)
    assert letter.error_class == "org.apache.kafka.connect.errors.DataException"


def test_own_headers_count_where_others_stand_beside_them() -> None:
    """Somebody sent a letter of Spring's again, and we dead-lettered it then."""
    letter = read(b"{", dlq_headers.render(a_dead_letter(a_record(b"{", partition=1, offset=8, headers=SPRING))))
    assert (letter.id, letter.kind, letter.headers) == ("1-8", "undecodable", [])


REPLAY = [*dlq_headers.render(a_dead_letter(a_record(b"{", offset=9))), ("dlq.replay-of", b"dlq-2-5/3")]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (REPLAY, ("dlq-2-5", 3, None)),
        ([*REPLAY, ("dlq.replay-of", b"dlq--1-5/2147483647")], ("dlq--1-5", 2**31 - 1, None)),
        ([*REPLAY, ("dlq.replays", b"2")], ("0-9", 2, 9)),
        ([*REPLAY, ("dlq.replay-of", b"dlq-2-5/0")], ("0-9", 0, 9)),
        ([*REPLAY, ("dlq.replay-of", b"dlq-2-5/2147483648")], ("0-9", 0, 9)),
        ([*REPLAY, ("dlq.replay-of", b"2-5/1")], ("0-9", 0, 9)),
        ([*REPLAY, ("dlq.replay-of", None)], ("0-9", 0, 9)),
        ([("dlq.replay-of", b"dlq-2-5/3")], ("dlq-2-40", 0, None)),
    ],
)
def test_failed_replay_of_a_letter_without_origin_is_its_failure(
    headers: Headers, expected: tuple[str, int, int | None]
) -> None:
    """What cannot be true is not believed."""
    letter = read(b"{", headers)
    assert (letter.id, letter.replays, letter.origin and letter.origin.offset) == expected


def test_edit_counts_only_for_a_replay() -> None:
    """A first failure is one of the original value."""
    headers = [*dlq_headers.render(a_dead_letter(a_record(b"{"))), ("dlq.edit", b"2")]
    assert read(b"{", headers).edit == 0
    assert read(b"{", [*headers, ("dlq.replays", b"1")]).edit == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dlq.kind", b"invented"),
        ("dlq.attempts", b"9" * 5_000),
        ("dlq.replays", b"-1"),
        ("dlq.timestamp", b"9223372036854775808"),
        ("dlq.failed-at", b"9999-99-99T99:99:99.000Z"),
        ("dlq.first-failed-at", b"0000-01-01T00:00:00.000Z"),
        ("dlq.failed-at", b"2026-01-01"),
        ("dlq.event-id", b"{urn"),
        ("dlq.error.class", None),
        ("dlq.error.message", b"\xff\0\xed\xa0\x80"),
    ],
)
def test_header_that_says_nothing_costs_nothing_else(name: str, value: bytes | None) -> None:
    """The others count."""
    letter = read(b"{", [*dlq_headers.render(a_dead_letter(a_record(b"{", offset=7))), (name, value)], timestamp=-1)
    assert (letter.id, letter.attempts) == ("0-7", 1)
    assert letter.kind == ("unknown" if name == "dlq.kind" else "undecodable")
    assert letter.first_failed_at in {NOON, letter.failed_at}
    assert letter.failed_at in {NOON, datetime(1970, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("timestamp", [-1, 253_402_300_800_000, -(2**63)])
def test_letter_without_any_time_failed_at_the_epoch(timestamp: int) -> None:
    """A list is sorted by time."""
    assert read(b"{", (), timestamp=timestamp).failed_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_texts_are_cut_and_can_be_stored() -> None:
    """No NUL, no lone surrogate, no bytes that are not UTF-8; a character is not cut in two."""
    value = b'{"userId": "\\u0000%b", "eventType": "%b"}' % ("\U0001f600".encode() * 600, b"T" * 100)
    headers = (
        ("__connect.errors.exception.class.name", b"c" * 10_000),
        ("__connect.errors.exception.message", b"\0\xff" + "ä".encode() * 10_000),
    )
    letter = read(value, headers)
    assert letter.user_id == "\ufffd" + "\U0001f600" * 511
    assert letter.event_type == "T" * 64
    assert letter.error_class == "c" * 200
    assert letter.message == "\ufffd\ufffd" + "ä" * 498


def test_pointer_is_read_with_the_whole_letter() -> None:
    """Its place is the pointer's, its content that of the letter."""
    whole = in_dlq(codec.encode(EVENT), dlq_headers.render(a_dead_letter(a_record(None, headers=(("a", b"1"),)))))
    ours = [(name, value) for name, value in whole.headers if name.startswith("dlq.")]
    pointer = LogRecord("events-dlq", 1, 4, 0, None, None, [*ours, ("dlq.oversize", b"oversize_letters")])
    assert letters.points_to(pointer) == LetterOrigin("events", 0, 0, MILLISECONDS)
    numbered = structs.replace(pointer, headers=[*pointer.headers, ("dlq.oversize-id", b"17")])
    assert letters.points_to(numbered) == 17
    assert letters.points_to(whole) is None
    letter = letters.read(numbered, "events", whole)
    assert (letter.id, letter.dlq_partition, letter.dlq_offset) == ("0-0", 1, 4)
    assert (letter.key, letter.value, letter.headers) == (b"key", whole.value, [("a", b"1")])
    assert letter.event_id == EVENT.id


def test_pointer_to_another_records_letter_is_read_alone() -> None:
    """A producer may have invented it."""
    whole = in_dlq(b"secret", dlq_headers.render(a_dead_letter(a_record(None))))
    forged = a_record(None, offset=1, headers=(("dlq.oversize", b"x"), ("dlq.oversize-id", b"17")))
    letter = letters.read(in_dlq(None, dlq_headers.render(a_dead_letter(forged))), "events", whole)
    assert (letter.id, letter.value) == ("0-1", None)


def test_pointer_without_its_letter_has_the_event_id_of_its_headers() -> None:
    """That is all that is known."""
    event_id = uuid4()
    letter = replace(a_dead_letter(a_record(None)), event_id=event_id)
    assert read(None, dlq_headers.render(letter)).event_id == event_id
    assert read(None, (("dlq.event-id", b"\xff"),)).event_id is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (codec.encode(EVENT), (EVENT.id, "Jörg", "LOGIN")),
        (b'{"eventId":"x","userId":7,"eventType":"MADE_UP"}', (None, None, "MADE_UP")),
        (b'{"eventId":null,"userId":"u"}', (None, "u", None)),
        (b'{"eventId":"00000000-0000-0000-0000-000000000001","payload":[1e999]}', (UUID(int=1), None, None)),
        (b"[]", (None, None, None)),
        (b"{", (None, None, None)),
        (b"", (None, None, None)),
        (b"[" * 100_000, (None, None, None)),
        (b'{"userId":"\xff"}', (None, None, None)),
        (b'{"userId":"\\ud800"}', (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_what_names_an_event_is_peeked_out_of_any_value(
    value: bytes | None, expected: tuple[UUID | None, str | None, str | None]
) -> None:
    """Each by itself, where it can be read."""
    assert structs.astuple(peek(value)) == expected
