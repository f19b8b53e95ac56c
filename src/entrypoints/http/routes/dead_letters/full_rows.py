"""Dead letters with everything that is known about them, as JSON."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from adapters.records.codec import render_time
from application.dead_letters.browse_letters import Conflict
from application.dead_letters.edit_letter import Edited, changes
from application.dead_letters.letters import Edit, FailedAttempt, LetterInFull
from domain.differences import Difference
from entrypoints.http.routes import rows as event_rows
from entrypoints.http.routes.dead_letters.bytes_view import BytesView, json_view, view
from entrypoints.http.routes.dead_letters.rows import LetterRow, PositionRow, letter_row, oversize_letter, position

MAX_COMPARED_EDITS = 20
MAX_DIFFERENCE_CHARS = 1_000
"""Of a value in a list of differences; what is left out is told by an ellipsis."""

_encoder = msgspec.json.Encoder()


class _HeaderRow(msgspec.Struct):
    name: str
    value: BytesView | None


class _FailureRow(msgspec.Struct, rename="camel"):
    dlq: PositionRow | None
    oversize_letter: int | None
    replays: int
    edit: int
    kind: str
    error_class: str | None
    message: str | None
    sqlstate: str | None
    attempts: int
    failed_at: str


class _DifferenceRow(msgspec.Struct):
    pointer: str
    before: str | None
    after: str | None


class _EditRow(msgspec.Struct, rename="camel"):
    number: int
    at: str
    who: str
    reason: str
    value_bytes: int
    value_url: str
    differences: Sequence[_DifferenceRow] | None
    """None where one of the values is no JSON."""


class _ConflictRow(msgspec.Struct):
    stored: msgspec.Raw
    differences: Sequence[_DifferenceRow] | None


class _FullRow(LetterRow, rename="camel"):
    key: BytesView | None
    value: BytesView | None
    original_value_url: str | None
    headers: Sequence[_HeaderRow]
    failures: Sequence[_FailureRow]
    edit_history: Sequence[_EditRow]
    conflict: _ConflictRow | None


def to_json(found: LetterInFull, conflict: Conflict | None, here: str) -> bytes:
    """Render one letter; `here` is its path."""
    return _encoder.encode(_full_row(found, conflict, here, one_line=False))


def to_ndjson(letters: Sequence[LetterInFull], paths: str) -> bytes:
    """Render a line each, without conflicts; `paths` is what each letter's path begins with."""
    return _encoder.encode_lines([_full_row(each, None, f"{paths}{each.letter.id}", one_line=True) for each in letters])


def edited_to_json(edited: Edited, here: str) -> bytes:
    """Render an edit that was made."""
    return _encoder.encode(_edit_row(edited.edit, edited.differences, here))


def _full_row(found: LetterInFull, conflict: Conflict | None, here: str, *, one_line: bool) -> _FullRow:
    return _FullRow(
        **msgspec.structs.asdict(letter_row(found.letter)),
        key=view(found.key),
        value=json_view(found.present_value, f"{here}/value", one_line=one_line),
        original_value_url=f"{here}/value?edit=0" if found.edits and found.value is not None else None,
        headers=[_HeaderRow(name, view(value)) for name, value in found.headers],
        failures=[*map(_failure_row, found.failures)],
        edit_history=[*_edit_rows(found, here)],
        conflict=None if conflict is None else _conflict_row(conflict),
    )


def _failure_row(failure: FailedAttempt) -> _FailureRow:
    return _FailureRow(
        position(failure.dlq_partition, failure.dlq_offset),
        oversize_letter(failure.dlq_partition, failure.dlq_offset),
        failure.replays,
        failure.edit,
        failure.kind,
        failure.error_class,
        failure.message,
        failure.sqlstate,
        failure.attempts,
        render_time(failure.failed_at),
    )


def _edit_rows(found: LetterInFull, here: str) -> Iterator[_EditRow]:
    values: Mapping[int, bytes | None] = dict(enumerate([found.value, *(edit.value for edit in found.edits)]))
    first = len(found.edits) - MAX_COMPARED_EDITS
    for index, edit in enumerate(found.edits):
        yield _edit_row(edit, changes(values[index], edit.value) if index >= first else None, here)


def _edit_row(edit: Edit, differences: Sequence[Difference] | None, here: str) -> _EditRow:
    return _EditRow(
        edit.number,
        render_time(edit.at),
        edit.who,
        edit.reason,
        len(edit.value),
        f"{here}/value?edit={edit.number}",
        _shown(differences),
    )


def _conflict_row(conflict: Conflict) -> _ConflictRow:
    return _ConflictRow(msgspec.Raw(event_rows.to_json_object(conflict.stored)), _shown(conflict.differences))


def _shown(differences: Sequence[Difference] | None) -> Sequence[_DifferenceRow] | None:
    if differences is None:
        return None
    return [
        _DifferenceRow(
            _short(each.pointer),
            None if each.before is None else _short(each.before),
            None if each.after is None else _short(each.after),
        )
        for each in differences
    ]


def _short(text: str) -> str:
    return text if len(text) <= MAX_DIFFERENCE_CHARS else f"{text[:MAX_DIFFERENCE_CHARS]}…"
