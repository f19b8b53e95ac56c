"""What noting a record and rebuilding the index do to the tables of dead letters in memory."""

from dataclasses import replace
from datetime import UTC, datetime

from adapters.memory.dead_letters.letters import LetterRow, MemoryLetters
from application.dead_letters.jobs import ItemState
from application.dead_letters.letters import LetterState, ReadLetter
from application.dead_letters.orders import Action

_UNFINISHED = {ItemState.WAITING, ItemState.SENDING, ItemState.REPLAYED}
_AFTER = {
    ItemState.WAITING: LetterState.REPLAYING,
    ItemState.SENDING: LetterState.REPLAYING,
    ItemState.REPLAYED: LetterState.REPLAYED,
    ItemState.STORED: LetterState.STORED,
    ItemState.DEAD: LetterState.DEAD,
    ItemState.CANCELLED: LetterState.DEAD,
}


def note(letters: MemoryLetters, letter: ReadLetter) -> None:
    """Take in what one record says."""
    row = letters.rows.get(letter.id)
    if row is not None and not letter.id.startswith("dlq-") and _timestamp(letter) != _timestamp(row.first):
        letter = replace(letter, id=f"dlq-{letter.dlq_partition}-{letter.dlq_offset}")
        row = letters.rows.get(letter.id)
    letters.failures.setdefault((letter.dlq_partition, letter.dlq_offset), (letter.id, letter))
    for job in letters.jobs.values():
        for item in job.items:
            is_its = (item.letter_id, item.replay) == (letter.id, letter.replays) and job.action is Action.REPLAY
            if letter.replays and is_its and item.state not in (ItemState.DEAD, ItemState.CANCELLED):
                item.state, item.why = ItemState.DEAD, letter.message or letter.kind
                item.changed_at = datetime.now(UTC)
    if row is None:
        letters.rows[letter.id] = LetterRow(letter, letter, LetterState.DEAD, letter.replays, letter.failed_at)
        return
    first_failed_at = min(row.first.first_failed_at, letter.first_failed_at)
    row.first = replace(letter if letter.replays < row.first.replays else row.first, first_failed_at=first_failed_at)
    if letter.replays > row.last.replays:
        row.last = letter
        if letter.replays >= row.replays:
            row.replays, row.state, row.changed_at = letter.replays, LetterState.DEAD, letter.failed_at


def restore(letters: MemoryLetters) -> None:
    """Apply again what outlives the index: the fact with the greatest number in the audit log decides."""
    facts: dict[str, list[tuple[int, LetterState, datetime]]] = {}
    for audit_id, letter_ids in letters.concerned.items():
        entry = letters.audit_log[audit_id - 1]
        state = LetterState.DISCARDED if entry.action == Action.DISCARD else LetterState.DEAD
        for letter_id in letter_ids:
            facts.setdefault(letter_id, []).append((audit_id, state, entry.at))
    for job in letters.jobs.values():
        for item in job.items:
            row = letters.rows.get(item.letter_id)
            if row is None and item.state in _UNFINISHED:
                item.state, item.why = ItemState.CANCELLED, "it is not in the dead-letter topic any more"
                item.changed_at = datetime.now(UTC)
            elif row is not None and job.action is Action.REPLAY:
                is_back = row.last.replays >= item.replay
                state = LetterState.DEAD if is_back else _AFTER[item.state]
                ordered_at = letters.audit_log[job.audit_id - 1].at
                changed_at = ordered_at if state is LetterState.REPLAYING else item.changed_at or ordered_at
                at = row.last.failed_at if is_back else changed_at
                facts.setdefault(item.letter_id, []).append((job.audit_id, state, at))
                row.replays = max(row.replays, item.replay)
    for letter_id, row in letters.rows.items():
        row.edits = [*letters.edits.get(letter_id, ())]
        if letter_id in facts:
            _, row.state, row.changed_at = max(facts[letter_id])


def _timestamp(letter: ReadLetter) -> int | None:
    return letter.origin.timestamp if letter.origin else None
