"""`user-events dlq edit`: give a dead letter another value."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer

from application.dead_letters.edit_letter import EditLetter, changes
from application.dead_letters.letters import LetterInFull, LetterState
from application.dead_letters.use_cases import LetterUseCases
from domain.differences import Difference
from domain.payload_schema import one_line
from domain.validation import Invalid
from entrypoints.cli import person
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.editor import edit_text
from entrypoints.cli.dlq.session import with_letters
from entrypoints.cli.dlq.show import find
from entrypoints.cli.dlq.values import difference_lines, pretty_json
from entrypoints.cli.run import exit_codes
from entrypoints.config.errors import CannotRun, UsageError

_STDIN = Path("-")


def edit(letter_id: str, file: Path | None, *, reason: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Take the new value from `file` or an editor, print what differs, and keep it once a person agrees."""
    with exit_codes():
        if file is None:
            person.need_terminal("nothing was edited", "--file states the new value")
        if not (yes or dry_run) and (file == _STDIN or not person.has_terminal()):
            raise UsageError("nothing was edited: without asking it needs --yes")
        given = None if file is None else _read(file)

    async def keep(letters: LetterUseCases, value: bytes) -> int | None:
        if dry_run:
            return None
        if not yes:
            person.confirm("Keep this value, for the next replay?")
        edited = await letters.edit(letter_id, value, who=person.who(), reason=reason)
        return None if edited is None else edited.edit.number

    async def work(letters: LetterUseCases) -> None:
        found = await find(letters, letter_id)
        value = _new_value(letters.edit, found, given)
        number, difference = None, changes(found.present_value, value)
        if value != found.present_value:
            if not as_json:
                _print_difference(found, value, difference)
            number = await keep(letters, value)
        if as_json:
            print_json(
                {"edit": number, "differences": None if difference is None else [each._asdict() for each in difference]}
            )
        kept = "nothing was edited" if number is None else f"edit {number} is what a replay publishes now"
        typer.echo(kept, err=True)

    with_letters(work)


def _new_value(edit_letter: EditLetter, found: LetterInFull, given: bytes | None) -> bytes:
    """Return the value that was given, or that a person writes. Raises `CannotRun` where it cannot be kept."""
    if found.letter.state is not LetterState.DEAD:
        raise CannotRun(f"nothing was edited: the letter is {found.letter.state}, not dead")
    value = _from_editor(edit_letter, found) if given is None else given
    problems = "" if value == found.present_value else _problems(edit_letter, value)
    if problems:
        raise CannotRun(f"nothing was edited, since the value is no event: {problems}")
    return value


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{one_line(str(file))}: cannot be read: {error.strerror}") from error


def _from_editor(edit_letter: EditLetter, found: LetterInFull) -> bytes:
    """Have a person edit the present value until it is an event, or they give up (`typer.Abort`)."""
    present = found.present_value or b""
    pretty = pretty_json(present)
    text = present if pretty is None else pretty
    while True:
        written = edit_text(text, ".json")
        if written == text and written in (present, pretty):
            return present
        # Editors end a file with a line break; what was indented for a person is compact in the record again.
        value = written if pretty is None else _compact(written)
        problems = _problems(edit_letter, value)
        if not problems:
            return value
        typer.echo(f"this is no event: {problems}", err=True)
        person.confirm("Edit it again?", default=True)
        text = written


def _problems(edit_letter: EditLetter, value: bytes) -> str:
    try:
        edit_letter.check(value)
    except Invalid as invalid:
        return one_line(str(invalid))
    return ""


def _compact(text: bytes) -> bytes:
    try:
        text.decode()
        return msgspec.json.format(text, indent=-1)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return text


def _print_difference(found: LetterInFull, value: bytes, differences: Sequence[Difference] | None) -> None:
    if differences is None:
        before = "nothing" if found.present_value is None else f"{len(found.present_value):,} bytes that are no JSON"
        typer.echo(f"the new value has {len(value):,} bytes, in place of {before}")
        return
    typer.echo("what changes (before -> after):" if differences else "nothing but the JSON's layout changes")
    for line in difference_lines(differences):
        typer.echo(line)
