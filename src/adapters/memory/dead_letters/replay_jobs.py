"""Replay jobs, in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from adapters.memory.dead_letters.job_rows import JobRow, item_of, replay_item
from adapters.memory.dead_letters.letters import ItemRow, JobItems, MemoryLetters
from adapters.memory.outage import Outage
from application.dead_letters.jobs import (
    ItemState,
    Job,
    JobCommand,
    JobInFull,
    JobState,
    LeaseLost,
    ReplayItem,
)
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order
from application.ports import Receipt
from domain.errors import Rejected

_STATES = {
    Action.DISCARD: (LetterState.DEAD, LetterState.DISCARDED),
    Action.RESTORE: (LetterState.DISCARDED, LetterState.DEAD),
}


class MemoryReplayJobs(Outage):
    """A `ReplayJobs` over shared `letters`; those of other topics than `topic` are left alone."""

    def __init__(
        self,
        letters: MemoryLetters,
        topic: str,
        *,
        lease: float = 15.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rows: dict[UUID, JobRow] | None = None,
    ) -> None:
        self.rows = {} if rows is None else rows
        """By id, oldest first; shared by the processes that see the same jobs."""
        self._letters = letters
        self._topic = topic
        self._lease = timedelta(seconds=lease)
        self._clock = clock

    async def create(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> Job:
        await self._reach()
        chosen = self._letters.concerns(wanted, order, self._topic)
        if expected is not None and len(chosen) != expected:
            raise CountChanged(expected, len(chosen))
        made = self._letters.record(entry, {"letters": len(chosen)})
        chosen.sort(key=lambda row: (row.first.first_failed_at, row.first.id))
        now = self._clock()
        row = JobRow(uuid4(), order, entry, made.id, now, [item_of(letter, order) for letter in chosen])
        for letter in chosen if order.action is Action.REPLAY else ():
            letter.state, letter.replays, letter.changed_at = LetterState.REPLAYING, letter.replays + 1, made.at
        if not chosen:
            row.state = JobState.FINISHED
            row.end(now)
        self.rows[row.id] = row
        self._letters.jobs[row.id] = JobItems(made.id, order.action, row.items)
        return row.job(now)

    async def newest(self, limit: int, before: UUID | None = None) -> list[Job]:
        await self._reach()
        rows = list(self.rows.values())
        if before is not None:
            rows = rows[: next((place for place, row in enumerate(rows) if row.id == before), 0)]
        return [row.job(self._clock()) for row in rows[::-1][:limit]]

    async def get(self, job_id: UUID) -> JobInFull | None:
        await self._reach()
        row = self.rows.get(job_id)
        return None if row is None else row.in_full(self._clock())

    async def control(self, job_id: UUID, command: JobCommand, entry: NewEntry) -> Job | None:
        await self._reach()
        row = self.rows.get(job_id)
        if row is None:
            return None
        row.obey(command)
        cancelled = list(row.some(ItemState.WAITING)) if command is JobCommand.CANCEL else []
        for item in cancelled:
            self._change(item, ItemState.CANCELLED)
            self._change_letter(item, LetterState.REPLAYING, LetterState.DEAD)
        if command is JobCommand.CANCEL and not any(row.some(ItemState.SENDING, ItemState.REPLAYED)):
            row.ended_at = self._clock()
        self._letters.record(entry, {"letters": len(cancelled)} if cancelled else {})
        return row.job(self._clock())

    async def claim(self, worker: UUID) -> Job | None:
        await self._reach()
        now = self._clock()
        for row in sorted(self.rows.values(), key=lambda each: each.lease_until or each.created_at):
            if row.is_claimable(now):
                row.worker, row.lease_until, row.started_at = worker, now + self._lease, row.started_at or now
                return row.job(now)
        return None

    async def renew(self, job_id: UUID, worker: UUID) -> Job:
        row = await self._leased(job_id, worker)
        row.lease_until = self._clock() + self._lease
        return row.job(self._clock())

    async def release(self, job_id: UUID, worker: UUID) -> None:
        row = await self._leased(job_id, worker)
        row.worker, row.lease_until = None, self._clock()

    async def next_items(self, job_id: UUID, worker: UUID, limit: int) -> list[ReplayItem]:
        row = await self._leased(job_id, worker)
        waiting = row.some(ItemState.WAITING) if row.state is JobState.RUNNING else ()
        items = [*row.some(ItemState.SENDING), *waiting][:limit]
        for item in items:
            self._change(item, ItemState.SENDING)
        return [replay_item(self._letters.rows[item.letter_id], item) for item in items]

    async def published(self, job_id: UUID, worker: UUID, outcomes: Mapping[str, Receipt | Rejected]) -> None:
        row = await self._leased(job_id, worker)
        for item in row.some(ItemState.SENDING, ItemState.DEAD):
            outcome = outcomes.get(item.letter_id)
            if isinstance(outcome, Receipt):
                item.partition, item.offset = outcome.partition, outcome.offset
            if outcome is None or item.state is ItemState.DEAD:
                continue
            if isinstance(outcome, Rejected):
                item.why = str(outcome)
                self._change(item, ItemState.DEAD)
                self._change_letter(item, LetterState.REPLAYING, LetterState.DEAD)
            else:
                self._change(item, ItemState.REPLAYED)
                self._change_letter(item, LetterState.REPLAYING, LetterState.REPLAYED)

    async def awaiting(self, job_id: UUID, worker: UUID, committed: Mapping[int, int], limit: int) -> list[ReplayItem]:
        row = await self._leased(job_id, worker)
        passed = [item for item in row.some(ItemState.REPLAYED) if item.is_before(committed)]
        return [replay_item(self._letters.rows[item.letter_id], item) for item in passed[:limit]]

    async def stored(self, job_id: UUID, worker: UUID, letter_ids: Sequence[str]) -> None:
        row = await self._leased(job_id, worker)
        for item in row.some(ItemState.REPLAYED):
            if item.letter_id in letter_ids:
                self._change(item, ItemState.STORED)
                self._change_letter(item, LetterState.REPLAYED, LetterState.STORED)

    async def change_some(self, job_id: UUID, worker: UUID, limit: int) -> int:
        row = await self._leased(job_id, worker)
        items = list(row.some(ItemState.WAITING))[:limit] if row.state is JobState.RUNNING else []
        before, after = _STATES[row.order.action]
        for item in items:
            letter = self._letters.rows.get(item.letter_id)
            if letter is None or letter.state is not before or self._letters.has_changed_since(letter, row.audit_id):
                item.why = "it was changed meanwhile"
                self._change(item, ItemState.CANCELLED)
            else:
                letter.state, letter.changed_at = after, self._letters.audit_log[row.audit_id - 1].at
                self._letters.concerned[row.audit_id] = [
                    *self._letters.concerned.get(row.audit_id, ()),
                    letter.first.id,
                ]
                self._change(item, ItemState.CHANGED)
        return len(items)

    async def explain(self, job_id: UUID, worker: UUID, why: str | None) -> None:
        row = await self._leased(job_id, worker)
        if row.state is not JobState.HALTED:
            row.why = why

    async def halt(self, job_id: UUID, worker: UUID, why: str) -> None:
        (await self._leased(job_id, worker)).halt(why)

    async def finish(self, job_id: UUID, worker: UUID) -> bool:
        return (await self._leased(job_id, worker)).finish(self._clock())

    async def _leased(self, job_id: UUID, worker: UUID) -> JobRow:
        await self._reach()
        row = self.rows[job_id]
        if not row.is_leased_by(worker, self._clock()):
            raise LeaseLost
        return row

    def _change(self, item: ItemRow, state: ItemState) -> None:
        item.state, item.changed_at = state, self._clock()

    def _change_letter(self, item: ItemRow, before: LetterState, after: LetterState) -> None:
        """Change the letter's state where this replay of it is the last one."""
        letter = self._letters.rows.get(item.letter_id)
        if letter is not None and letter.state is before and letter.replays == item.replay:
            letter.state, letter.changed_at = after, item.changed_at or self._clock()
