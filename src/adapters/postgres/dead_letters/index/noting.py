"""What records of the DLQ say, written down: each failure once, and each letter's first record and last failure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.dead_letters.index import note_statements as statements
from adapters.postgres.dead_letters.index.note_statements import columns
from application.dead_letters.letters import ReadLetter

_STATEMENT_BYTES = 32 * 1024 * 1024
"""From how many bytes of values on a statement takes no more letters; the server refuses messages of 1 GiB."""
_OF_THE_DLQ = "dlq-"


class _Standing(NamedTuple):
    """What the index knew of a letter before."""

    timestamp: int | None
    failed_replay: int
    first_failed_at: datetime


_Rows = dict[str, _Standing]


async def note(connection: AsyncConnection, letters: Sequence[ReadLetter]) -> bool:
    """Write down what records of the DLQ say, under the index's lock; return whether any of it was new."""
    if not letters:
        return False
    standing = await _insert(connection, letters)
    others = [each for each in letters if _is_another(each, standing[each.id].timestamp)]
    if others:
        renamed = [replace(each, id=f"{_OF_THE_DLQ}{each.dlq_partition}-{each.dlq_offset}") for each in others]
        standing |= await _insert(connection, renamed)
        letters = [each for each in letters if not _is_another(each, standing[each.id].timestamp)] + renamed
    await _update(connection, letters, standing)
    written = await connection.exec_driver_sql(statements.ATTEMPTS, columns(letters, statements.failure))
    if replayed := [each for each in letters if each.replays]:
        await connection.exec_driver_sql(statements.OUTCOMES, columns(replayed, statements.outcome))
    return written.rowcount > 0


async def _insert(connection: AsyncConnection, letters: Sequence[ReadLetter]) -> _Rows:
    """Insert letters that are not there, and lock those that are; return how their rows stand."""
    missing = _firsts(letters)
    standing: _Rows = {}
    while missing:
        inserted: set[str] = set()
        # In the order of ids, see `locks`.
        for part in _parts(sorted(missing.values(), key=lambda letter: letter.id)):
            new = await connection.exec_driver_sql(statements.INSERT, columns(part, statements.content))
            inserted.update(new.scalars())
        for letter_id in inserted:
            first = missing.pop(letter_id)
            standing[letter_id] = _Standing(_timestamp(first), first.replays, first.first_failed_at)
        if missing:
            for row in await connection.exec_driver_sql(statements.LOCK, ([*missing],)):
                standing[row.id] = _Standing(row.timestamp, row.failed_replay, row.first_failed_at)
                del missing[row.id]
        # One that is missing still was in the way, and is forgotten by now.
    return standing


async def _update(connection: AsyncConnection, letters: Sequence[ReadLetter], standing: _Rows) -> None:
    """Have the locked rows show what is earlier or later than what they show."""
    firsts = [each for each in _firsts(letters).values() if each.replays < standing[each.id].failed_replay]
    for part in _parts(firsts):
        await connection.exec_driver_sql(statements.ORIGINAL, columns(part, statements.content))
    earliest = {each.id: each for each in sorted(letters, key=lambda each: each.first_failed_at, reverse=True)}
    if earlier := [each for each in earliest.values() if each.first_failed_at < standing[each.id].first_failed_at]:
        await connection.exec_driver_sql(statements.EARLIER, columns(earlier, statements.beginning))
    latest: dict[str, ReadLetter] = {}
    for letter in letters:
        # Of equal replays the first one.
        if letter.replays > latest.setdefault(letter.id, letter).replays:
            latest[letter.id] = letter
    if later := [each for each in latest.values() if each.replays > standing[each.id].failed_replay]:
        await connection.exec_driver_sql(statements.LATER, columns(later, statements.failure))


def _firsts(letters: Iterable[ReadLetter]) -> dict[str, ReadLetter]:
    """Choose for each id the record of the lowest replay, among those with the first one's origin."""
    firsts: dict[str, ReadLetter] = {}
    for letter in letters:
        first = firsts.setdefault(letter.id, letter)
        if letter.replays < first.replays and not _is_another(letter, _timestamp(first)):
            firsts[letter.id] = letter
    return firsts


def _is_another(letter: ReadLetter, timestamp: int | None) -> bool:
    """Tell whether it is not the letter that has its id: the topic was made anew, and its offsets came again."""
    return not letter.id.startswith(_OF_THE_DLQ) and _timestamp(letter) != timestamp


def _timestamp(letter: ReadLetter) -> int | None:
    return letter.origin.timestamp if letter.origin else None


def _parts(letters: Sequence[ReadLetter]) -> Iterator[Sequence[ReadLetter]]:
    """Cut `letters` into as much as one statement takes."""
    start = size = 0
    for place, letter in enumerate(letters, 1):
        size += letter.size
        if size >= _STATEMENT_BYTES or place == len(letters):
            yield letters[start:place]
            start, size = place, 0
