"""The index of dead letters in memory."""

from collections import Counter
from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.memory.dead_letters.letters import EditRow, LetterRow, MemoryLetters, skipped
from adapters.memory.dead_letters.noting import note, restore
from adapters.memory.outage import Outage
from application.dead_letters.letters import (
    Edit,
    FailedAttempt,
    Letter,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterPage,
    LetterState,
    ReadLetter,
)
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order, Preview
from application.ports import NotEditable
from domain.event import UserEvent

_MAX_PREVIEW_GROUPS = 100
_MAX_MINUTES = 360
_SAMPLE_LETTERS = 10


class MemoryDeadLetterIndex(Outage):
    """A `DeadLetterIndex`; those made on the same `letters` share what stands there, with jobs and the audit log."""

    def __init__(self, letters: MemoryLetters, topic: str) -> None:
        """`topic`: the events' topic."""
        self.letters = letters
        self._topic = topic

    async def note(self, letters: Sequence[ReadLetter]) -> None:
        await self._write()
        for letter in letters:
            note(self.letters, letter)

    async def rebuild(self, batches: AsyncIterable[Sequence[ReadLetter]], entry: NewEntry) -> int:
        await self._reach()
        made = replace(self.letters, rows={}, failures={})
        async with self.letters.rebuilding:
            async for batch in batches:
                for letter in batch:
                    note(made, letter)
            restore(made)
        self.letters.rows, self.letters.failures = made.rows, made.failures
        self.letters.record(entry, {"letters": len(made.rows)})
        return len(made.rows)

    async def page(self, wanted: LetterFilter, after: LetterCursor | None, limit: int) -> LetterPage:
        await self._reach()
        found = [each for each in self._newest(wanted) if after is None or _place(each) < after]
        if len(found) <= limit:
            return LetterPage(found, None)
        return LetterPage(found[:limit], _place(found[limit - 1]))

    async def groups(self, wanted: LetterFilter, limit: int) -> Sequence[LetterGroup]:
        await self._reach()
        return _groups(self._newest(wanted))[:limit]

    async def get(self, letter_ids: Sequence[str]) -> Sequence[LetterInFull]:
        await self._reach()
        return [self._in_full(row) for each in letter_ids if (row := self.letters.rows.get(each)) is not None]

    async def preview(self, wanted: LetterFilter, order: Order) -> Preview:
        await self._reach()
        concerns = _sorted(row.letter for row in self.letters.concerns(wanted, order, self._topic))
        reasons = Counter(skipped(row, order, self._topic) for row in self.letters.chosen(wanted))
        return Preview(
            count=len(concerns),
            groups=_groups(concerns)[:_MAX_PREVIEW_GROUPS],
            oldest=concerns[-1].failed_at if concerns else None,
            newest=concerns[0].failed_at if concerns else None,
            sample=[each.id for each in concerns[:_SAMPLE_LETTERS]],
            skipped={reason: count for reason, count in reasons.items() if reason is not None},
        )

    async def change(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> int:
        await self._write()
        rows = self.letters.concerns(wanted, order, self._topic)
        if expected is not None and expected != len(rows):
            raise CountChanged(expected, len(rows))
        made = self.letters.record(entry, {"letters": len(rows)}, [row.first.id for row in rows])
        for row in rows:
            row.state = LetterState.DISCARDED if order.action is Action.DISCARD else LetterState.DEAD
            row.changed_at = made.at
        return len(rows)

    async def edit(
        self, letter_id: str, value: bytes, key: bytes | None, event: UserEvent, entry: NewEntry
    ) -> Edit | None:
        await self._write()
        row = self.letters.rows.get(letter_id)
        if row is None:
            return None
        if row.state is not LetterState.DEAD:
            raise NotEditable(f"the dead letter {letter_id} is {row.state}: only a dead one is edited")
        made = self.letters.record(entry, {"letters": 1})
        kept = self.letters.edits.setdefault(letter_id, [])
        edit = Edit(len(kept) + 1, made.at, made.who, made.reason, value)
        kept.append(EditRow(edit, key, event, made.id))
        row.edits = [*kept]
        return edit

    async def due(self, kind: str, max_replays: int, limit: int) -> Sequence[str]:
        await self._reach()
        order = Order(Action.REPLAY, "", max_replays=max_replays)
        now = datetime.now(UTC)
        rows = [
            row
            for row in self.letters.concerns(LetterFilter(kind=kind), order, self._topic)
            if row.last.failed_at + timedelta(minutes=min(2 ** min(row.replays, 20), _MAX_MINUTES)) <= now
        ]
        return [each.id for each in reversed(_sorted(row.letter for row in rows))][:limit]

    async def forget(self, before: datetime) -> int:
        await self._write()
        ended = {LetterState.STORED, LetterState.DISCARDED}
        gone = {id_ for id_, row in self.letters.rows.items() if row.state in ended and row.changed_at < before}
        for letter_id in gone:
            del self.letters.rows[letter_id]
        for place in [place for place, (letter_id, _) in self.letters.failures.items() if letter_id in gone]:
            del self.letters.failures[place]
        return len(gone)

    async def _write(self) -> None:
        await self._reach()
        async with self.letters.rebuilding:
            pass

    def _newest(self, wanted: LetterFilter) -> list[Letter]:
        return _sorted(row.letter for row in self.letters.chosen(wanted))

    def _in_full(self, row: LetterRow) -> LetterInFull:
        own = [failure for letter_id, failure in self.letters.failures.values() if letter_id == row.first.id]
        own.sort(key=lambda each: (each.failed_at, each.dlq_partition, each.dlq_offset))
        failures = [FailedAttempt(*(getattr(each, name) for name in FailedAttempt._fields)) for each in own]
        first = row.first
        return LetterInFull(
            row.letter, first.key, first.value, first.headers, failures, [each.edit for each in row.edits]
        )


def _place(letter: Letter) -> LetterCursor:
    return LetterCursor(letter.failed_at, letter.id)


def _sorted(letters: Iterable[Letter]) -> list[Letter]:
    return sorted(letters, key=_place, reverse=True)


def _groups(newest: Sequence[Letter]) -> list[LetterGroup]:
    members: dict[str, list[Letter]] = {}
    for letter in newest:
        members.setdefault(letter.fingerprint, []).append(letter)
    groups = [_group(letters) for letters in members.values()]
    groups.sort(key=lambda each: each.fingerprint)
    return sorted(groups, key=lambda each: (each.count, each.failed_at), reverse=True)


def _group(letters: Sequence[Letter]) -> LetterGroup:
    return LetterGroup(
        fingerprint=letters[0].fingerprint,
        kind=letters[0].kind,
        error_class=letters[0].error_class,
        message=letters[0].message,
        count=len(letters),
        users=len({each.user_id for each in letters} - {None}),
        first_failed_at=min(each.first_failed_at for each in letters),
        failed_at=letters[0].failed_at,
        oldest=letters[-1].failed_at,
        sample=letters[0].id,
    )
