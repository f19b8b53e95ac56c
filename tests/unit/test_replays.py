"""Replays: what is published again, and how its next failure finds its letter."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.records import codec, dlq_headers, letters, replays
from adapters.records.log_record import LogRecord
from application.dead_letters.jobs import ReplayItem
from application.dead_letters.letters import LetterOrigin, ReadLetter
from domain.dead_letter import DeadLetter, Failure, FailureKind
from domain.event import UserEvent
from tests.support.events import NOON, a_dead_letter, a_record, an_event, decode

names = st.text(max_size=8).filter(lambda name: not name.startswith(("dlq.", "__", "kafka_dlt-")))
own_headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=8)), max_size=4)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def an_item(letter: ReadLetter, *, needs_new_id: bool = False, edit: int = 0) -> ReplayItem:
    """Make the item of a letter's next replay."""
    return ReplayItem(
        letter_id=letter.id,
        number=letter.replays + 1,
        edit=edit,
        origin=letter.origin,
        first_failed_at=letter.first_failed_at,
        key=letter.key,
        value=letter.value,
        headers=letter.headers,
        needs_new_id=needs_new_id,
    )


def failed(item: ReplayItem, offset: int) -> LogRecord:
    """Replay a letter, and have it fail again."""
    key, value, told = replays.render(item)
    record = LogRecord("events", 0, offset, 1, key, value, told)
    failure = Failure(FailureKind.INVALID, "no", "Invalid")
    letter = DeadLetter(record, failure, attempts=2, first_failed_at=NOON, failed_at=NOON)
    return LogRecord("events-dlq", 1, offset, 2, key, value, dlq_headers.render(letter))


@given(
    headers=own_headers,
    value=st.none() | st.binary(max_size=20),
    first=st.none() | st.tuples(moments, st.integers(-1, 2**63 - 1)),
    edit=st.integers(0, 3),
)
def test_letter_that_fails_again_and_again_stays_the_same(
    headers: list[tuple[str, bytes | None]], value: bytes | None, first: tuple[datetime, int] | None, edit: int
) -> None:
    """Its id, its origin and its headers, which never grow; each failure has its replay's number and edit.

    `first`: when it failed first, and its record's time; None: the letter is another program's, without an origin.
    """
    told = headers
    if first is not None:
        record = LogRecord("events", 3, 7, first[1], b"key", value, headers)
        told = dlq_headers.render(replace(a_dead_letter(record), first_failed_at=first[0]))
    found = original = letters.read(LogRecord("events-dlq", 2, 40, 0, b"key", value, told), "events")
    counts = set()
    for number in range(1, 5):
        again = failed(an_item(found, edit=edit), offset=100 + number)
        found = letters.read(again, "events")
        counts.add(len(again.headers))
        assert (found.id, found.replays, found.edit) == (original.id, number, edit)
        assert (found.origin, found.key, found.value) == (original.origin, original.key, original.value)
        assert found.headers == original.headers
        assert first is None or found.first_failed_at == first[0]
    assert len(counts) == 1


def test_replay_keeps_the_original_record_and_names_its_origin() -> None:
    """As the consumer understands it."""
    letter = letters.read(
        LogRecord("events-dlq", 0, 0, 0, b"k", b"{", dlq_headers.render(a_dead_letter(a_record(b"{", offset=7)))),
        "events",
    )
    assert replays.render(an_item(letter, edit=2)) == (
        b"k",
        b"{",
        [
            ("dlq.topic", b"events"),
            ("dlq.partition", b"0"),
            ("dlq.offset", b"7"),
            ("dlq.timestamp", b"1795348800000"),
            ("dlq.first-failed-at", b"2026-11-22T12:00:00.000Z"),
            ("dlq.replays", b"1"),
            ("dlq.edit", b"2"),
        ],
    )


def test_letter_of_a_topic_made_anew_is_found_by_its_own_id() -> None:
    """Its origin is another letter's, too."""
    letter = letters.read(LogRecord("events-dlq", 0, 5, 0, b"k", b"{", ()), "events")
    item = replace(an_item(letter), origin=LetterOrigin("events", 0, 7, 1))
    assert replays.render(item).headers == [("dlq.replay-of", b"dlq-0-5/1")]
    assert letters.read(failed(item, 9), "events").id == "dlq-0-5"


def test_new_id_replaces_the_old_one_and_nothing_else() -> None:
    """It follows from letter and replay, so that publishing twice stores one event."""
    value = b' { "payload" : {"eventId": "x", "n": 1.0}, "eventId" : "%b" ,\n"userId":"u" } ' % str(uuid4()).encode()
    letter = letters.read(LogRecord("events-dlq", 0, 5, 0, b"k", value, ()), "events")
    item = an_item(letter, needs_new_id=True)
    rendered = replays.render(item).value
    assert rendered is not None
    new = replays.new_event_id("dlq-0-5", 1)
    assert new.version == 5
    assert rendered == value.replace(str(letter.event_id).encode(), str(new).encode())
    assert replays.render(item).value == rendered
    assert replays.new_event_id("dlq-0-5", 2) != new != replays.new_event_id("dlq-0-6", 1)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"{}", b'{"a":"eventId"}'])
def test_value_without_an_event_id_stays_as_it_is(value: bytes | None) -> None:
    """There is nothing to replace."""
    letter = letters.read(LogRecord("events-dlq", 0, 5, 0, b"k", value, ()), "events")
    assert replays.render(an_item(letter, needs_new_id=True)).value == value


@pytest.mark.parametrize(
    "value",
    [
        b'{"eventId":1,"eventId":2}',
        b'{"event\\u0049d":{"eventId":[1,{"a":"}"}]}}',
        b'{"a":"\\"eventId\\":1","eventId":"\\\\"}',
        b'{"a":{"eventId":1},"b":["eventId",{"eventId":2}],"eventId":null,"c":[]}',
    ],
)
def test_new_id_is_what_a_reader_finds(value: bytes) -> None:
    """However the member is written, and how often."""
    event_id = uuid4()
    old, new = json.loads(value), json.loads(codec.with_event_id(value, event_id))
    assert new == old | {"eventId": str(event_id)}


def test_replay_reads_as_its_event() -> None:
    """As the consumer will read it."""
    event = an_event()
    letter = letters.read(LogRecord("events-dlq", 0, 5, 0, b"k", codec.encode(event), ()), "events")
    read = replays.reader(decode)
    assert read(an_item(letter)) == event
    assert read(an_item(letter, needs_new_id=True)) == event._replace(id=replays.new_event_id("dlq-0-5", 1))
    assert isinstance(read(replace(an_item(letter), value=b"{")), Failure)
    assert isinstance(read(replace(an_item(letter), value=None)), Failure)
    own = replace(
        an_item(letter),
        origin=LetterOrigin("events", 0, 7, 1),
        value=b'{"eventId":"%b","userId":"u","eventType":"LOGIN"}' % str(event.id).encode(),
    )
    found = read(own)
    assert isinstance(found, UserEvent)
    assert found.occurred_at == datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)


@pytest.mark.parametrize("timestamp", [1_700_000_000_000, -1])
def test_replayed_event_without_a_time_keeps_its_records(timestamp: int) -> None:
    """That of its first delivery, not that of the replay: also where it fails again and again."""
    value = b'{"eventId":"0198f3c0-1111-7abc-8def-0123456789ab","userId":"u","eventType":"LOGIN"}'
    record = LogRecord("events", 0, 5, timestamp, b"u", value, ())
    first = decode(record)
    failure = Failure(FailureKind.EXHAUSTED, "away", "Unavailable")
    told = dlq_headers.render(DeadLetter(record, failure, attempts=1, first_failed_at=NOON, failed_at=NOON))
    for offset in range(6, 9):
        item = an_item(letters.read(LogRecord("events-dlq", 0, offset, 7, b"u", value, told), "events"))
        key, value_again, headers = replays.render(item)
        assert decode(LogRecord("events", 0, offset, 1_800_000_000_000, key, value_again, headers)) == first
        assert replays.reader(decode)(item) == first
        told = list(failed(item, offset).headers)
