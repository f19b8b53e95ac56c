"""`user-events dlq show`: everything about one dead letter."""

import asyncio
import json

import pytest

from adapters.records import codec
from application.dead_letters.letters import LetterState
from application.dead_letters.orders import NewEntry
from application.listing import StoredEvent
from tests.support.events import NOON, an_event
from tests.unit.cli.letter_world import EVENT_ID, LetterWorld, a_letter
from tests.unit.cli.runner import run


def shown(letter_id: str) -> str:
    """Run the subcommand, which succeeds; return what it prints to stdout."""
    result = run("dlq", "show", letter_id, COLUMNS="100")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_prints_cause_origin_history_and_value(letters: LetterWorld) -> None:
    """Times are in UTC."""
    text = shown("0-7")
    for line in (
        "Dead letter 0-7: dead since 2026-11-22 12:00:00Z",
        "  message       userId: must not be empty",
        "  topic     events, partition 0, offset 7",
        "  DLQ       partition 0, offset 7",
        "  2026-11-22 12:00:00Z  failed  invalid: userId: must not be empty",
        "  content-type  application/json",
        "Value: JSON, 14 bytes",
        '{\n  "userId": ""\n}',
    ):
        assert line in text


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (b'{"n": 1.50}', "JSON, 11 bytes", '  "n": 1.50'),
        ("ä\r\nb\tc".encode(), "text, 7 bytes", "ä\nb"),
        (b"\x00\x01A\xff", "binary, 4 bytes", "00000000  00 01 41 ff                                      ..A."),
        (b"a\x1b[31m", "binary, 6 bytes", "a.[31m"),
        (b"", "text, 0 bytes", ""),
    ],
)
def test_value_is_shown_as_json_text_or_hex_dump(letters: LetterWorld, value: bytes, form: str, text: str) -> None:
    """As what it is."""
    letters.add(a_letter("1-1", value=value))
    printed = shown("1-1")
    assert f"Value: {form}" in printed
    assert text in printed
    assert "all of it" not in printed


@pytest.mark.parametrize(
    "value",
    [b"x" * 1_025, b"\xff" * 1_025, b'["' + b"x" * 1_100 + b'"]', b"[" * 100_000, b"[" * 40_000 + b"]" * 40_000],
    ids=["text", "binary", "JSON", "unclosed", "nested"],
)
def test_long_value_is_cut_with_the_way_to_all_of_it(letters: LetterWorld, value: bytes) -> None:
    """After the first KiB; the bytes are those of the record."""
    letters.add(a_letter("1-1", value=value))
    printed = shown("1-1")
    assert "… all of it: user-events dlq show 1-1 --value" in printed
    assert len(printed) < 12_000
    assert run("dlq", "show", "1-1", "--value").stdout_bytes == value


def test_letter_without_value_is_shown(letters: LetterWorld) -> None:
    """A tombstone."""
    letters.add(a_letter("1-1", value=None, headers=[("empty", None)]))
    assert "Value: none" in shown("1-1")
    assert run("dlq", "show", "1-1", "--value").stdout_bytes == b""


def test_edited_letter_shows_its_present_value(letters: LetterWorld) -> None:
    """Its history names who has edited it."""
    value = codec.encode(an_event("user-3"))
    entry = NewEntry("cli:ann@host", "edit", {}, "typo")
    asyncio.run(letters.index.edit("0-7", value, b"user-3", an_event("user-3"), entry))
    text = shown("0-7")
    assert "edit 1  cli:ann@host: typo" in text
    assert f"Value: JSON, {len(value)} bytes, edit 1" in text
    assert run("dlq", "show", "0-7", "--value").stdout_bytes == value


def test_conflict_shows_what_differs_from_the_stored_event(letters: LetterWorld) -> None:
    """Field by field, the stored value first."""
    value = {"eventId": str(EVENT_ID), "userId": "user-2", "eventType": "LOGIN", "payload": {"page": "/b"}}
    letters.add(a_letter("0-8", kind="conflict", event_id=EVENT_ID, value=json.dumps(value).encode()))
    letters.store.rows[EVENT_ID] = StoredEvent(EVENT_ID, "user-1", "LOGIN", '{"page": "/a"}', NOON, NOON)
    text = shown("0-8")
    assert '  /userId: "user-1" -> "user-2"\n  /payload/page: "/a" -> "/b"' in text
    conflict = json.loads(run("dlq", "show", "0-8", "--json").stdout)["conflict"]
    assert conflict["differences"][0] == {"pointer": "/userId", "before": '"user-1"', "after": '"user-2"'}


def test_stored_letter_of_a_conflict_shows_none(letters: LetterWorld) -> None:
    """The row is its own by now."""
    letters.add(a_letter("0-8", kind="conflict", event_id=EVENT_ID))
    letters.store.rows[EVENT_ID] = StoredEvent(EVENT_ID, "user-1", "LOGIN", "{}", NOON, NOON)
    assert "Conflict:" in shown("0-8")
    letters.set_state("0-8", LetterState.STORED)
    assert "Conflict:" not in shown("0-8")


def test_show_prints_json_for_programs(letters: LetterWorld) -> None:
    """Names are those of the HTTP API."""
    found = json.loads(run("dlq", "show", "0-7", "--json").stdout)
    assert found["origin"] == {"topic": "events", "partition": 0, "offset": 7, "timestamp": "2026-11-22T12:00:00.000Z"}
    assert (found["state"], found["errorClass"], found["conflict"]) == ("dead", "Invalid", None)
    assert found["value"]["json"] == {"userId": ""}


@pytest.mark.parametrize("letter_id", ["9-9", "nonsense", "\x1b[31m", "x" * 10_000])
def test_unknown_letter_is_refused(letters: LetterWorld, letter_id: str) -> None:
    """Exit code 2 and one line."""
    result = run("dlq", "show", letter_id)
    assert (result.exit_code, result.stdout) == (2, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("no dead letter has the id ")
    assert last.isprintable()
    assert len(last) < 200
