"""The headers of dead letters: what ours say, and whose are understood."""

from dataclasses import replace
from uuid import UUID

import pytest

from adapters.records import dlq_headers
from domain.dead_letter import MAX_REASON_CHARS, Origin
from tests.support.events import a_dead_letter, a_record

EVENT_ID = UUID("0198f3c0-1111-7abc-8def-0123456789ab")
Headers = tuple[tuple[str, bytes | None], ...]


def test_dead_letter_names_its_origin_and_its_reason() -> None:
    """After the original headers, which stay as they were, repeated names included."""
    record = a_record(b"{", partition=3, offset=7, headers=(("a", b"\xff"), ("b", None), ("a", b"2")))
    letter = replace(a_dead_letter(record, attempts=2), event_id=EVENT_ID)
    assert dlq_headers.render(letter) == [
        ("a", b"\xff"),
        ("b", None),
        ("a", b"2"),
        ("dlq.topic", b"events"),
        ("dlq.partition", b"3"),
        ("dlq.offset", b"7"),
        ("dlq.timestamp", b"1795348800000"),
        ("dlq.first-failed-at", b"2026-11-22T12:00:00.000Z"),
        ("dlq.replays", b"0"),
        ("dlq.kind", b"undecodable"),
        ("dlq.error.class", b"DecodeError"),
        ("dlq.error.message", b"the value is not JSON"),
        ("dlq.attempts", b"2"),
        ("dlq.failed-at", b"2026-11-22T12:00:00.000Z"),
        ("dlq.event-id", str(EVENT_ID).encode()),
    ]


def test_long_reason_is_cut_and_any_character_can_be_told() -> None:
    """The headers stay within the bytes that the dead-letter topic leaves for them."""
    headers = dict(dlq_headers.render(a_dead_letter(a_record(b"{"), reason="\ud800" + "ä" * 10_000)))
    assert headers["dlq.error.message"] == b"?" + "ä".encode() * (MAX_REASON_CHARS - 1)


def test_replays_keep_the_first_origin_tell_the_last_error_and_never_grow() -> None:
    """However often a record comes back."""
    headers = dlq_headers.render(a_dead_letter(a_record(b"{", offset=7, headers=(("a", b"1"),))))
    length = len(headers)
    for replay in range(1, 5):
        counted = [(name, b"%d" % replay if name == "dlq.replays" else value) for name, value in headers]
        again = a_record(b"{", offset=100 + replay, headers=tuple(counted))
        headers = dlq_headers.render(a_dead_letter(again, reason=f"reason {replay}", attempts=replay))
        told = dict(headers)
        assert told["dlq.offset"] == b"7"
        assert told["dlq.replays"] == b"%d" % replay
        assert told["dlq.error.message"] == b"reason %d" % replay
        assert len(headers) == length


@pytest.mark.parametrize("forged", [b"0", b"1", b"forged", None])
def test_headers_that_a_producer_invented_do_not_pass_for_ours(forged: bytes | None) -> None:
    """The true origin is named once, and no header that only looks like ours is left."""
    invented = tuple((name, b"forged") for name, _ in dlq_headers.render(a_dead_letter(a_record(b"{"))))
    record = a_record(b"{", offset=7, headers=(*invented, ("dlq.event-id", b"forged"), ("dlq.replays", forged)))
    headers = dlq_headers.render(a_dead_letter(record))
    assert headers == dlq_headers.render(a_dead_letter(a_record(b"{", offset=7)))


def a_replay(replays: bytes, offset: int = 100) -> Headers:
    """Make the headers of a record that was replayed out of a dead letter about `offset` 7, or claims to be."""
    told = dlq_headers.render(a_dead_letter(a_record(b"{", partition=2, offset=7)))
    return tuple((name, replays if name == "dlq.replays" else value) for name, value in told)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), Origin("events", 3, 9)),
        (a_replay(b"2"), Origin("events", 2, 7, 2)),
        (a_replay(b"0"), Origin("events", 3, 9)),
        ((("dlq.replays", b"1"),), Origin("events", 3, 9)),
    ],
    ids=["new", "replayed", "forged", "replayed without a place"],
)
def test_record_has_the_origin_that_a_dead_letter_about_it_names(headers: Headers, expected: Origin) -> None:
    """So that a dead letter is found by its record's origin; one whose origin nobody can read has none."""
    record = a_record(b"{", partition=3, offset=9, headers=headers)
    letter = a_record(b"{", headers=tuple(dlq_headers.render(a_dead_letter(record))))
    assert dlq_headers.origin(record) == expected
    assert dlq_headers.origins(letter.headers) == [expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dlq.topic", b"other"),
        ("dlq.topic", b"\xff"),
        ("dlq.partition", b""),
        ("dlq.partition", b"-1"),
        ("dlq.partition", b"1_0"),
        ("dlq.partition", "\u0663".encode()),
        ("dlq.partition", b"2147483648"),
        ("dlq.offset", b"9223372036854775808"),
        ("dlq.offset", b"9" * 10_000),
        ("dlq.offset", b"7\n"),
        ("dlq.timestamp", b"yesterday"),
        ("dlq.first-failed-at", b"yesterday"),
        ("dlq.replays", b"-1"),
        ("dlq.replays", b"+1"),
        ("dlq.replays", b"00"),
        ("dlq.replays", b"2147483648"),
    ],
)
def test_earlier_origin_that_cannot_be_true_is_not_believed(name: str, value: bytes) -> None:
    """If one header is wrong or missing, the record's own place is named instead."""
    whole = a_replay(b"1")
    amiss = tuple((each, value if each == name else told) for each, told in whole)
    own = dict(dlq_headers.render(a_dead_letter(a_record(b"{", partition=3, offset=9))))
    for headers in (amiss, tuple(header for header in whole if header[0] != name), (*whole, (name, None))):
        record = a_record(b"{", partition=3, offset=9, headers=headers)
        assert dlq_headers.origin(record) == Origin("events", 3, 9)
        assert dict(dlq_headers.render(a_dead_letter(record))) == own


@pytest.mark.parametrize("timestamp", [b"-1", b"9223372036854775807"])
def test_any_timestamp_that_a_broker_keeps_is_believed(timestamp: bytes) -> None:
    """Also that of a record that has none."""
    told = tuple((name, timestamp if name == "dlq.timestamp" else value) for name, value in a_replay(b"1"))
    headers = dict(dlq_headers.render(a_dead_letter(a_record(b"{", partition=3, offset=9, headers=told))))
    assert (headers["dlq.timestamp"], headers["dlq.offset"]) == (timestamp, b"7")


@pytest.mark.parametrize(
    "headers",
    [
        (
            ("__connect.errors.topic", b"events"),
            ("__connect.errors.partition", b"3"),
            ("__connect.errors.offset", b"300"),
        ),
        (
            ("__streams.errors.topic", b"events"),
            ("__streams.errors.partition", b"3"),
            ("__streams.errors.offset", b"300"),
        ),
        (
            ("kafka_dlt-original-topic", b"events"),
            ("kafka_dlt-original-partition", b"\0\0\0\3"),
            ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\1\x2c"),
        ),
    ],
    ids=["Kafka Connect", "Kafka Streams", "Spring"],
)
def test_dead_letters_of_others_name_their_origin(headers: Headers) -> None:
    """Each in its own way; a dead letter of which a part is missing names none."""
    letter = a_record(b"{", headers=(("a", b"1"), *headers))
    assert dlq_headers.origins(letter.headers) == [Origin("events", 3, 300)]
    for missing in headers:
        assert dlq_headers.origins([each for each in headers if each != missing]) == []


def test_dead_letter_that_was_sent_several_times_names_every_origin() -> None:
    """As when Spring dead-lettered a record, somebody sent it again, and we dead-lettered it then."""
    spring = (
        ("kafka_dlt-original-topic", b"events"),
        ("kafka_dlt-original-partition", b"\0\0\0\1"),
        ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\5"),
    )
    letter = a_record(b"{", headers=tuple(dlq_headers.render(a_dead_letter(a_record(b"{", offset=8, headers=spring)))))
    assert dlq_headers.origins(letter.headers) == [Origin("events", 0, 8), Origin("events", 1, 5)]


@pytest.mark.parametrize("headers", [(), (("dlq.topic", b"\xff"), ("dlq.partition", b"1"), ("dlq.offset", b"1"))])
def test_dead_letter_without_a_readable_origin_names_none(headers: Headers) -> None:
    """As the legacy service's, which sends the record as it was."""
    assert dlq_headers.origins(headers) == []
