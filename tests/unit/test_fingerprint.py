"""Fingerprints: one cause is one group."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dead_letter import Failure, FailureKind
from domain.fingerprint import MAX_MESSAGE_CHARS, fingerprint, sqlstate

ID, OTHER_ID = "0198f3c0-1111-7abc-8def-0123456789ab", "f1a8f3c0-1111-4abc-8def-0123456789ff"


def of(message: str | None) -> str:
    """Fingerprint a message."""
    return fingerprint("rejected", "DataError", message)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("the value is not JSON: invalid character (byte 12)", "the value is not JSON: invalid character (byte 3)"),
        (f"event {ID} is refused", f"event {OTHER_ID} is refused"),
        ("payload: #/payload/items/3/price is no number", "payload: #/payload/items/17/price is no number"),
        ('payload: unknown member "a"', 'payload: unknown member "b c"'),
        ("payload: unknown member 'it'", "payload: unknown member 'there are more'"),
        ("no column `a`", "no column `b`"),
        ("checksum deadbeef01 differs", "checksum 01deadbeefff differs"),
        ("at 0xff", "at 0x1"),
        ("-1.5e-7 is too small", "3 is too small"),
        ("1,000 rows", "12 rows"),
        ("user-17 is unknown", "user-4711 is unknown"),
        ('"' + "x" * 600, '"y'),
    ],
)
def test_messages_that_differ_in_values_share_a_fingerprint(first: str, second: str) -> None:
    """Ids, numbers, indexes, hexadecimal digits and quoted values, also where a message was cut within them."""
    assert of(first) == of(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("database: SQLSTATE 23505: refused", "database: SQLSTATE 23514: refused"),
        ("ERROR; SQLState: 22P02", "ERROR; SQLState: 22001"),
        ("userId: must not be empty", "userId: must be a string"),
        ("it's the user's fault", "it's the producer's fault"),
        (None, "something"),
    ],
)
def test_messages_that_differ_otherwise_do_not(first: str | None, second: str) -> None:
    """Codes of the database are no values, and apostrophes no quotes."""
    assert of(first) != of(second)


def test_kind_and_class_tell_failures_apart() -> None:
    """As the same message may mean another thing."""
    assert len({fingerprint(kind, name, "x") for kind in ("invalid", "rejected") for name in ("A", "B", None)}) == 6


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("database: SQLSTATE 22P05: unsupported", "22P05"),
        ("ERROR: x, SQLState: 23505, at", "23505"),
        ("[SQL_STATE=P0001]", "P0001"),
        ("sqlstate(XX000)", "XX000"),
        ("SQLSTATE ERROR", None),
        ("SQLSTATE 123456", None),
        ("23505", None),
    ],
)
def test_code_of_the_database_is_found(message: str, code: str | None) -> None:
    """However it is written."""
    assert sqlstate(message) == code


@given(message=st.text(max_size=MAX_MESSAGE_CHARS + 20), error_class=st.none() | st.text())
def test_any_failure_has_a_fingerprint_that_its_dead_letter_keeps(message: str, error_class: str | None) -> None:
    """Eight hex digits; what does not fit into a header is replaced there."""
    found = fingerprint("unknown", error_class, message)
    assert len(found) == 8
    assert set(found) <= set("0123456789abcdef")
    failure = Failure(FailureKind.INVALID, message, "Invalid")
    kept = message[:MAX_MESSAGE_CHARS].encode(errors="replace").decode().replace("\0", "\ufffd")
    assert failure.fingerprint == fingerprint("invalid", "Invalid", kept)


@pytest.mark.parametrize("unit", ["'", '"a', "1-", "a" * 7 + "1", "SQLSTATE ", "0x", "1,", "1e", "'a'b"])
def test_time_is_bounded_whatever_the_message(unit: str) -> None:
    """A message is cut before it is looked at."""
    began = time.process_time()
    for _ in range(100):
        of(unit * 100_000)
    assert time.process_time() - began < 1.0
