"""Reading dead letters: any record of the DLQ is a letter that the index can hold."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.records import dlq_headers, first_delivery, letters
from adapters.records.dlq_families import FAMILIES, PREFIXES
from adapters.records.log_record import LogRecord
from application.dead_letters.letters import ReadLetter
from domain.dead_letter import FailureKind
from tests.fuzz.damage import damaged
from tests.fuzz.test_records import _FRAGMENTS, record_times
from tests.support.events import a_dead_letter, a_record
from tests.support.json_bytes import records

_KNOWN = [
    *(
        name
        for family in FAMILIES
        for name in (family.topic, family.partition, family.offset, family.timestamp)
        if name
    ),
    *(name for family in FAMILIES for name in (*family.error_classes, *family.messages)),
    *(dlq_headers.KIND, dlq_headers.ATTEMPTS, first_delivery.REPLAYS, dlq_headers.EDIT, dlq_headers.REPLAY_OF),
    *(dlq_headers.FAILED_AT, first_delivery.FIRST_FAILED_AT, dlq_headers.EVENT_ID),
    *(dlq_headers.OVERSIZE, dlq_headers.OVERSIZE_ID),
]
_CONTENTS = [
    *[b"events", b"other", b"0", b"-1", b"7", b"2147483647", b"2147483648", b"9223372036854775807", b"9" * 5_000],
    *[b"\0\0\0\3", b"\xff" * 8, b"\0" * 9, b"dlq-0-1/1", b"dlq--1-1/9999999999", b"0-1/1", b"\xed\xa0\x80", b"\0"],
    *[b"2026-11-22T12:00:00.000Z", b"9999-12-31T23:59:60.000Z", b"0000-00-00T00:00:00.000Z", b"x" * 3_000],
    *[
        b"database: SQLSTATE 22P05: x",
        b"SQLSTATE",
        "ä\U0001f600".encode() * 300,
        *(kind.encode() for kind in FailureKind),
    ],
]
headers = st.lists(
    st.tuples(
        st.sampled_from(_KNOWN) | st.text(st.characters(), max_size=5),
        st.none() | st.sampled_from(_CONTENTS) | st.binary(max_size=12) | st.integers().map(lambda n: b"%d" % n),
    ),
    max_size=14,
)
ours = st.just(dlq_headers.render(a_dead_letter(a_record(b"{", partition=1, offset=7))))
values = st.none() | st.binary() | damaged(records(), _FRAGMENTS)
written = st.builds(
    LogRecord,
    topic=st.just("events-dlq"),
    partition=st.integers(-1, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp=record_times,
    key=st.none() | st.binary(max_size=8),
    value=values,
    headers=st.builds(lambda first, then: [*first, *then], st.just([]) | ours, headers),
)


@given(record=written, whole=st.none() | written)
def test_any_record_is_a_letter_that_can_be_stored(record: LogRecord, whole: LogRecord | None) -> None:
    """Whatever its bytes are; and it keeps them."""
    letter = letters.read(record, "events", whole)
    letters.points_to(record)
    _check_texts(letter)
    _check_numbers(letter)
    assert (letter.dlq_partition, letter.dlq_offset) == (record.partition, record.offset)
    assert letter.kind in {"unknown", *FailureKind}
    content = [record] if whole is None else [record, whole]
    assert (letter.key, letter.value) in [(each.key, each.value) for each in content]
    assert not any(name.startswith(PREFIXES) for name, _ in letter.headers)
    assert letters.read(record, "events", whole) == letter


def _check_texts(letter: ReadLetter) -> None:
    limits = [(letter.user_id, 512), (letter.event_type, 64), (letter.error_class, 200), (letter.message, 500)]
    for text, most in [*limits, (letter.id, 40), (letter.sqlstate, 5), (letter.fingerprint, 8)]:
        if text is not None:
            assert 0 < len(text) <= most
            assert "\0" not in text.encode().decode()
    for name, _ in letter.headers:
        name.encode()
    if letter.origin is not None:
        assert "\0" not in letter.origin.topic.encode().decode()


def _check_numbers(letter: ReadLetter) -> None:
    assert 1 <= letter.attempts < 2**31
    assert 0 <= letter.replays < 2**31
    assert 0 <= letter.edit < 2**31
    for moment in (letter.first_failed_at, letter.failed_at):
        assert datetime(1, 1, 1, tzinfo=UTC) <= moment <= datetime.max.replace(tzinfo=UTC)
    if letter.origin is not None:
        assert 0 <= letter.origin.partition < 2**31
        assert 0 <= letter.origin.offset < 2**63
        assert -1 <= letter.origin.timestamp < 2**63
