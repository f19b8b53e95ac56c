"""Jobs and their workers' leases, in memory."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from adapters.memory.letters import ItemRow, JobItems, LetterRow, MemoryLetters
from adapters.memory.outage import Outage
from application.dead_letters.jobs import (
    ItemState,
    Job,
    JobCommand,
    JobFailure,
    JobGroup,
    JobInFull,
    JobState,
    LeaseLost,
    NotPossible,
    ReplayItem,
)
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import Action, CountChanged, NewEntry, Order
from application.ports import Receipt
from domain.errors import Rejected

_FAILURES = 20
_FITTING = {
    JobCommand.PAUSE: (JobState.PAUSED, {JobState.RUNNING}),
    JobCommand.RESUME: (JobState.RUNNING, {JobState.PAUSED, JobState.HALTED}),
    JobCommand.CANCEL: (JobState.CANCELLED, {JobState.RUNNING, JobState.PAUSED, JobState.HALTED}),
}
_STATES = {
    Action.DISCARD: (LetterState.DEAD, LetterState.DISCARDED),
    Action.RESTORE: (LetterState.DISCARDED, LetterState.DEAD),
}


@dataclass(slots=True)
class JobRow:
    """A job without its letters."""

    id: UUID
    order: Order
    entry: NewEntry
    audit_id: int
    created_at: datetime
    items: list[ItemRow]
    state: JobState = JobState.RUNNING
    why: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: UUID | None = None
    lease_until: datetime | None = None

    def some(self, *states: ItemState) -> Iterator[ItemRow]:
        """Find items by state, in the order in which they are taken."""
        return (item for item in self.items if item.state in states)

    def end(self, now: datetime) -> None:
        """Note that each letter has its outcome."""
        self.ended_at, self.why = now, None
        self.end_lease()

    def end_lease(self) -> None:
        """End the lease."""
        self.worker = self.lease_until = None


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
        row = JobRow(uuid4(), order, entry, made.id, now, [self._item(letter, order) for letter in chosen])
        for letter in chosen if order.action is Action.REPLAY else ():
            letter.state, letter.replays, letter.changed_at = LetterState.REPLAYING, letter.replays + 1, made.at
        if not chosen:
            row.state = JobState.FINISHED
            row.end(now)
        self.rows[row.id] = row
        self._letters.jobs[row.id] = JobItems(made.id, order.action, row.items)
        return self._job(row)

    async def newest(self, limit: int, before: UUID | None = None) -> list[Job]:
        await self._reach()
        rows = list(self.rows.values())
        if before is not None:
            rows = rows[: next((place for place, row in enumerate(rows) if row.id == before), 0)]
        return [self._job(row) for row in rows[::-1][:limit]]

    async def get(self, job_id: UUID) -> JobInFull | None:
        await self._reach()
        row = self.rows.get(job_id)
        if row is None:
            return None
        groups: defaultdict[str, Counter[ItemState]] = defaultdict(Counter)
        for item in row.items:
            groups[item.fingerprint][item.state] += 1
        failed = sorted(row.some(ItemState.DEAD), key=lambda item: item.changed_at or row.created_at, reverse=True)
        return JobInFull(
            self._job(row),
            groups=[JobGroup(fingerprint, counts) for fingerprint, counts in sorted(groups.items())],
            failures=[JobFailure(item.letter_id, item.why or "") for item in failed[:_FAILURES]],
        )

    async def control(self, job_id: UUID, command: JobCommand, entry: NewEntry) -> Job | None:
        await self._reach()
        row = self.rows.get(job_id)
        if row is None:
            return None
        state, fitting = _FITTING[command]
        if row.state not in fitting:
            raise NotPossible(f"a job that is {row.state} cannot be {state}")
        row.state, row.why = state, None
        cancelled = list(row.some(ItemState.WAITING)) if command is JobCommand.CANCEL else []
        for item in cancelled:
            self._change(item, ItemState.CANCELLED)
            self._change_letter(item, LetterState.REPLAYING, LetterState.DEAD)
        if command is JobCommand.RESUME:
            row.order = replace(row.order, canary=0)
        if command is JobCommand.CANCEL and not any(row.some(ItemState.SENDING, ItemState.REPLAYED)):
            row.ended_at = self._clock()
        self._letters.record(entry, {"letters": len(cancelled)} if cancelled else {})
        return self._job(row)

    async def claim(self, worker: UUID) -> Job | None:
        await self._reach()
        now = self._clock()
        for row in sorted(self.rows.values(), key=lambda each: each.lease_until or each.created_at):
            is_free = row.worker is None or row.lease_until is None or row.lease_until <= now
            has_work = row.state is JobState.RUNNING or any(row.some(ItemState.SENDING, ItemState.REPLAYED))
            if row.ended_at is None and is_free and has_work:
                row.worker, row.lease_until, row.started_at = worker, now + self._lease, row.started_at or now
                return self._job(row)
        return None

    async def renew(self, job_id: UUID, worker: UUID) -> Job:
        row = await self._leased(job_id, worker)
        row.lease_until = self._clock() + self._lease
        return self._job(row)

    async def release(self, job_id: UUID, worker: UUID) -> None:
        row = await self._leased(job_id, worker)
        row.worker, row.lease_until = None, self._clock()

    async def next_items(self, job_id: UUID, worker: UUID, limit: int) -> list[ReplayItem]:
        row = await self._leased(job_id, worker)
        waiting = row.some(ItemState.WAITING) if row.state is JobState.RUNNING else ()
        items = [*row.some(ItemState.SENDING), *waiting][:limit]
        for item in items:
            self._change(item, ItemState.SENDING)
        return [self._in_full(item) for item in items]

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
        passed = [item for item in row.some(ItemState.REPLAYED) if _is_before(item, committed)]
        return [self._in_full(item) for item in passed[:limit]]

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
            if letter is None or letter.state is not before or self._is_newer(letter, row.audit_id):
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
        row = await self._leased(job_id, worker)
        if row.state is not JobState.CANCELLED:
            row.state, row.why = JobState.HALTED, why
        row.end_lease()

    async def finish(self, job_id: UUID, worker: UUID) -> bool:
        row = await self._leased(job_id, worker)
        unfinished = row.some(ItemState.WAITING, ItemState.SENDING, ItemState.REPLAYED)
        if row.state is JobState.HALTED or any(unfinished):
            return False
        if row.state is not JobState.CANCELLED:
            row.state = JobState.FINISHED
        row.end(self._clock())
        return True

    async def _leased(self, job_id: UUID, worker: UUID) -> JobRow:
        await self._reach()
        row = self.rows[job_id]
        if row.worker != worker or row.lease_until is None or row.lease_until <= self._clock():
            raise LeaseLost
        return row

    def _item(self, letter: LetterRow, order: Order) -> ItemRow:
        return ItemRow(
            letter_id=letter.first.id,
            replay=letter.replays + (order.action is Action.REPLAY),
            edit=len(letter.edits),
            needs_new_id=order.new_event_id and letter.conflicts_again,
            fingerprint=letter.last.fingerprint,
        )

    def _change(self, item: ItemRow, state: ItemState) -> None:
        item.state, item.changed_at = state, self._clock()

    def _change_letter(self, item: ItemRow, before: LetterState, after: LetterState) -> None:
        """Change the letter's state where this replay of it is the last one."""
        letter = self._letters.rows.get(item.letter_id)
        if letter is not None and letter.state is before and letter.replays == item.replay:
            letter.state, letter.changed_at = after, item.changed_at or self._clock()

    def _is_newer(self, letter: LetterRow, audit_id: int) -> bool:
        """Tell whether a later entry of the audit log has changed the letter."""
        letter_id = letter.first.id
        changes = (each for each, letters in self._letters.concerned.items() if letter_id in letters)
        replays = (
            job.audit_id
            for job in self._letters.jobs.values()
            if job.action is Action.REPLAY and any(item.letter_id == letter_id for item in job.items)
        )
        return any(each > audit_id for each in (*changes, *replays))

    def _in_full(self, item: ItemRow) -> ReplayItem:
        letter = self._letters.rows[item.letter_id]
        edit = letter.edits[item.edit - 1] if item.edit else None
        return ReplayItem(
            letter_id=item.letter_id,
            number=item.replay,
            edit=item.edit,
            origin=None if item.letter_id.startswith("dlq-") else letter.first.origin,
            first_failed_at=letter.first.first_failed_at,
            key=edit.key if edit else letter.first.key,
            value=edit.edit.value if edit else letter.first.value,
            headers=letter.first.headers,
            needs_new_id=item.needs_new_id,
            partition=item.partition,
            offset=item.offset,
        )

    def _job(self, row: JobRow) -> Job:
        rate = None
        if row.started_at is not None:
            done = sum(item.partition is not None or item.state is ItemState.CHANGED for item in row.items)
            rate = done / max(((row.ended_at or self._clock()) - row.started_at).total_seconds(), 0.001)
        return Job(
            id=row.id,
            order=row.order,
            wanted=row.entry.wanted,
            who=row.entry.who,
            state=row.state,
            why=row.why,
            letters=len(row.items),
            counts=Counter(item.state for item in row.items),
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            rate=rate,
        )


def _is_before(item: ItemRow, committed: Mapping[int, int]) -> bool:
    if item.partition is None or item.offset is None:
        return False
    return item.offset < committed.get(item.partition, 0)
