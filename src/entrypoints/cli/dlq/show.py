"""`user-events dlq show`: everything about one dead letter."""

import sys
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from adapters.records import codec
from application.dead_letters.browse_letters import Conflict
from application.dead_letters.letters import FailedAttempt, Letter, LetterInFull
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.cli.dlq.as_json import print_json
from entrypoints.cli.dlq.screen import NOTHING, clean, counted, heading, moment, pairs, print_all, table
from entrypoints.cli.dlq.session import with_letters
from entrypoints.cli.dlq.values import difference_lines, in_one_line, shown
from entrypoints.config.errors import UsageError
from entrypoints.http.routes.dead_letters import full_rows

_MAX_NAME_CHARS = 40
_MAX_HEADER_CHARS = 500
_OVERSIZE = -1


async def find(letters: LetterUseCases, letter_id: str) -> LetterInFull:
    """Find a letter. Raises `UsageError` where it is not there."""
    found = await letters.browse.get(letter_id)
    if found is None:
        raise UsageError(f"no dead letter has the id {clean(letter_id, 100)}")
    return found


def show(letter_id: str, *, only_value: bool, as_json: bool) -> None:
    """Print a letter, or write the bytes of its present value to stdout."""

    async def work(letters: LetterUseCases) -> None:
        found = await find(letters, letter_id)
        if only_value:
            sys.stdout.buffer.write(found.present_value or b"")
            sys.stdout.buffer.flush()
            return
        conflict = await letters.browse.conflict(found)
        if as_json:
            print_json(full_rows.to_json(found, conflict, f"/dead-letters/{found.letter.id}"))
        else:
            print_all(*_parts(found, conflict))

    with_letters(work)


def _parts(found: LetterInFull, conflict: Conflict | None) -> Iterator[RenderableType]:
    letter = found.letter
    yield heading(f"Dead letter {clean(letter.id)}: {letter.state} since {moment(letter.changed_at)}")
    yield heading("\nLast failure")
    yield pairs(_failure(letter))
    yield heading("\nOrigin")
    yield pairs(_origin(letter))
    yield heading("\nEvent")
    yield pairs([("id", letter.event_id), ("user", letter.user_id), ("type", letter.event_type)])
    if conflict is not None:
        yield heading("\nConflict: what differs from the stored event with this id (stored -> letter)")
        lines = list(difference_lines(conflict.differences or ()))
        yield from map(Text, lines or ["  nothing, or the letter's value is no event"])
    yield heading("\nHistory")
    yield _history(found)
    yield heading("\nKey and headers")
    yield pairs([("(key)", in_one_line(found.key, _MAX_HEADER_CHARS)), *_headers(found)])
    yield from _value(found)


def _failure(letter: Letter) -> Iterator[tuple[str, object]]:
    yield "kind", letter.kind
    yield "error", letter.error_class
    if letter.sqlstate:
        yield "SQLSTATE", letter.sqlstate
    yield "message", letter.message
    yield "cause", f"{letter.fingerprint} (`user-events dlq list --fingerprint {letter.fingerprint}` lists its letters)"
    yield "failed", f"{moment(letter.failed_at)} after {counted(letter.attempts, 'attempt')}"
    yield "first failed", moment(letter.first_failed_at)
    yield "replays", letter.replays


def _origin(letter: Letter) -> Iterator[tuple[str, object]]:
    if letter.origin is None:
        yield "topic", "unknown"
    else:
        topic, partition, offset, timestamp = letter.origin
        yield "topic", f"{clean(topic)}, partition {partition}, offset {offset}"
        yield "accepted", moment(codec.from_milliseconds(timestamp))
    if letter.dlq_partition == _OVERSIZE:
        yield "DLQ", f"table oversize_letters, id {letter.dlq_offset}"
    else:
        yield "DLQ", f"partition {letter.dlq_partition}, offset {letter.dlq_offset}"


def _history(found: LetterInFull) -> Table:
    history = table("  TIME", "WHAT", "DETAILS", folded=("DETAILS",))
    failures = [
        (each.failed_at, "replay failed" if each.replays else "failed", _details(each)) for each in found.failures
    ]
    edits = [(each.at, f"edit {each.number}", f"{each.who}: {each.reason}") for each in found.edits]
    for at, what, details in sorted([*failures, *edits]):
        history.add_row(f"  {moment(at)}", what, clean(details))
    return history


def _details(failure: FailedAttempt) -> str:
    replayed = f"replay {failure.replays}{f' of edit {failure.edit}' if failure.edit else ''}, " * bool(failure.replays)
    return f"{replayed}{failure.kind}: {failure.message or failure.error_class or NOTHING}"


def _headers(found: LetterInFull) -> Iterator[tuple[str, object]]:
    for name, value in found.headers:
        yield clean(name, _MAX_NAME_CHARS), in_one_line(value, _MAX_HEADER_CHARS)


def _value(found: LetterInFull) -> Iterator[RenderableType]:
    value, edits = found.present_value, found.edits
    edited = f", edit {edits[-1].number}" if edits else ""
    if value is None:
        yield heading(f"\nValue: none{edited}")
        return
    form, text, is_cut = shown(value)
    yield heading(f"\nValue: {form}, {counted(len(value), 'byte')}{edited}")
    yield Text(text, overflow="fold")
    if is_cut:
        yield Text(f"… all of it: user-events dlq show {clean(found.letter.id)} --value", overflow="fold")
