"""The record codec: reading never fails in a way of its own, and writing loses nothing."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.records import codec
from domain.dead_letter import Failure, FailureKind
from domain.event import UserEvent
from tests.fuzz.damage import damaged
from tests.support.events import a_record, decode
from tests.support.json_bytes import records
from tests.support.strategies import events

_FRAGMENTS = [
    *[b"\\u0000", b"\\ud83d", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff", b"\0", b"[" * 2_000, b'{"a":' * 500],
    *[b"1e999999999", b"-", b'"', b"\\", b",", b":", b"{", b"}", b"null", b'"eventId":', b'"payload":null,'],
]
record_times = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-2, 253_402_300_800_000)


@given(value=st.none() | st.binary() | damaged(records(), _FRAGMENTS), milliseconds=record_times)
def test_any_record_is_an_event_or_a_failure_of_its_own(value: bytes | None, milliseconds: int) -> None:
    """Never a failure of our code; an event that has been read reads the same when it is written again."""
    record = structs.replace(a_record(value), timestamp=milliseconds)
    found = decode(record)
    if isinstance(found, Failure):
        assert found.kind in {FailureKind.UNDECODABLE, FailureKind.INVALID}
        assert found.reason.isprintable()
    else:
        assert decode(structs.replace(record, value=codec.encode(found))) == found
        assert codec.encode_key(found).decode() == found.user_id


@given(event=events, milliseconds=record_times)
def test_written_event_reads_as_itself(event: UserEvent, milliseconds: int) -> None:
    """Whatever the time of its record."""
    record = structs.replace(a_record(codec.encode(event)), timestamp=milliseconds)
    assert decode(record) == event
