"""`user-events dlq edit`: it checks a value, shows what differs, asks, and keeps the value."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.records import codec
from application.dead_letters.letters import LetterState
from entrypoints.cli import main
from tests.support.events import an_event
from tests.unit.cli.letter_world import LetterWorld, a_letter
from tests.unit.cli.runner import answer, run

GOOD = codec.encode(an_event("user-1", b'{"n":1.50}'))
BAD = b'{"eventId": 1, "userId": "\\u001b[31m"}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a good value."""
    path = tmp_path / "value"
    path.write_bytes(GOOD)
    return path


@pytest.fixture
def letter(letters: LetterWorld) -> LetterWorld:
    """One dead letter whose user id is missing."""
    letters.clear()
    letters.add(a_letter("0-7", value=GOOD.replace(b"user-1", b"")))
    return letters


def edits(world: LetterWorld) -> list[bytes]:
    """Return the values that were kept."""
    return [row.edit.value for row in world.tables.rows["0-7"].edits]


def an_editor(tmp_path: Path, *writes: bytes) -> str:
    """Make an editor that writes these one after the other; return the command."""
    for number, text in enumerate(writes):
        (tmp_path / f"write{number}").write_bytes(text)
    script = tmp_path / "an editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "here, file = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])\n"
        "(here / 'seen').write_bytes(file.read_bytes())\n"
        "first = min(here.glob('write*'))\n"
        "file.write_bytes(first.read_bytes())\n"
        "first.unlink()\n"
    )
    return f"{sys.executable} '{script}'"


def test_edit_keeps_the_bytes_of_a_file(letter: LetterWorld, file: Path) -> None:
    """What differs is printed, before and after."""
    result = run("dlq", "edit", "0-7", "--file", str(file), "--yes", "--reason", "typo")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["what changes (before -> after):", '  /userId: "" -> "user-1"']
    assert result.stderr.splitlines()[-1] == "edit 1 is what a replay publishes now"
    assert edits(letter) == [GOOD]
    (entry,) = letter.entries
    assert (entry.action, entry.reason) == ("edit", "typo")


def test_edit_reads_stdin(letter: LetterWorld) -> None:
    """The difference is printed for programs on request."""
    result = CliRunner().invoke(main.cli, ["dlq", "edit", "0-7", "--file", "-", "--yes", "--json"], input=GOOD)
    assert result.exit_code == 0, result.output
    difference = {"pointer": "/userId", "before": '""', "after": '"user-1"'}
    assert json.loads(result.stdout) == {"edit": 1, "differences": [difference]}
    assert edits(letter) == [GOOD]


def test_edit_refuses_what_is_no_event(letter: LetterWorld, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Exit code 1 with the validator's words in one line."""
    file.write_bytes(BAD)
    assert run("dlq", "edit", "0-7", "--file", str(file), "--yes").exit_code == 1
    (record,) = caplog.records
    assert "eventId" in record.getMessage()
    assert record.getMessage().isprintable()
    assert edits(letter) == []


@pytest.mark.parametrize("options", [[], ["--yes"], ["--file", "-"], ["--file", "good"]], ids=" ".join)
def test_edit_without_terminal_needs_file_and_yes(letter: LetterWorld, file: Path, options: list[str]) -> None:
    """Exit code 2, and nothing is edited."""
    given = [str(file) if each == "good" else each for each in options]
    result = run("dlq", "edit", "0-7", *given)
    assert (result.exit_code, edits(letter)) == (2, [])
    assert "nothing was edited" in result.stderr


def test_edit_of_a_missing_file_is_refused(letter: LetterWorld, tmp_path: Path) -> None:
    """Exit code 2."""
    result = run("dlq", "edit", "0-7", "--file", str(tmp_path / "none"), "--yes")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_edit_of_a_letter_that_is_not_dead_is_refused(
    letter: LetterWorld, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 1 before a person types anything."""
    letter.set_state("0-7", LetterState.STORED)
    assert run("dlq", "edit", "0-7", "--file", str(file), "--yes").exit_code == 1
    assert caplog.records[-1].getMessage() == "ended: nothing was edited: the letter is stored, not dead"


def test_dry_run_of_edit_only_shows_the_difference(letter: LetterWorld, file: Path) -> None:
    """It needs no terminal."""
    result = run("dlq", "edit", "0-7", "--file", str(file), "--dry-run")
    assert result.exit_code == 0
    assert "/userId" in result.stdout
    assert edits(letter) == []


@pytest.mark.parametrize(("typed", "kept"), [("y\n", [GOOD]), ("n\n", []), ("", [])])
def test_edit_asks_on_a_terminal(letter: LetterWorld, file: Path, typed: str, kept: list[bytes]) -> None:
    """Any answer but yes keeps nothing."""
    answer(typed, "dlq", "edit", "0-7", "--file", str(file))
    assert edits(letter) == kept


def test_editor_gets_indented_json_and_the_record_compact_json(
    letter: LetterWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers keep their digits; the line break that editors add is dropped."""
    pretty = json.dumps(json.loads(GOOD, parse_float=str), indent=2).replace('"1.50"', "1.50").encode() + b"\n"
    monkeypatch.setenv("VISUAL", an_editor(tmp_path, pretty))
    result = answer("y\n", "dlq", "edit", "0-7")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "seen").read_bytes() == pretty.replace(b"user-1", b"").rstrip()
    assert edits(letter) == [GOOD]


def test_editor_opens_again_on_what_is_no_event(
    letter: LetterWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the text as it was left; the person may give up."""
    monkeypatch.setenv("EDITOR", an_editor(tmp_path, BAD, GOOD))
    result = answer("y\ny\n", "dlq", "edit", "0-7")
    assert result.exit_code == 0, result.output
    assert "this is no event: " in result.stderr
    assert (tmp_path / "seen").read_bytes() == BAD
    assert edits(letter) == [GOOD]
    monkeypatch.setenv("EDITOR", an_editor(tmp_path, BAD))
    assert answer("n\n", "dlq", "edit", "0-7").exit_code == 1


def test_value_that_stays_is_no_edit(letter: LetterWorld, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """An editor that changes nothing, or the same file again."""
    letter.add(a_letter("0-7", value=GOOD))
    monkeypatch.setenv("EDITOR", "true")
    for arguments in ([], ["--file", str(file)]):
        result = answer("", "dlq", "edit", "0-7", *arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines()[-1] == "nothing was edited"
    assert edits(letter) == []


def test_binary_value_is_edited_as_it_is(letter: LetterWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes take the place of the difference."""
    letter.add(a_letter("0-7", value=b"\xff\x00"))
    monkeypatch.setenv("VISUAL", an_editor(tmp_path, GOOD))
    result = answer("y\n", "dlq", "edit", "0-7")
    assert f"the new value has {len(GOOD)} bytes, in place of 2 bytes that are no JSON" in result.stdout
    assert (tmp_path / "seen").read_bytes() == b"\xff\x00"
    assert edits(letter) == [GOOD]


@pytest.mark.parametrize("editor", ["false", "/nonexistent/editor", "'"])
def test_failing_editor_is_reported_in_one_line(
    letter: LetterWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, editor: str
) -> None:
    """Exit code 1."""
    monkeypatch.setenv("VISUAL", editor)
    assert answer("", "dlq", "edit", "0-7").exit_code == 1
    assert "(VISUAL or EDITOR) failed" in caplog.records[-1].getMessage()
    assert caplog.records[-1].exc_info is None
