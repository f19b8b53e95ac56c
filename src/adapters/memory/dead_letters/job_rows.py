"""Jobs as rows in memory: the rules of their states and leases, and how they are shown."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from adapters.memory.dead_letters.letters import ItemRow, LetterRow
from application.dead_letters.jobs import (
    ItemState,
    Job,
    JobCommand,
    JobFailure,
    JobGroup,
    JobInFull,
    JobState,
    NotPossible,
    ReplayItem,
)
from application.dead_letters.orders import Action, NewEntry, Order

_FAILURES = 20
_FITTING = {
    JobCommand.PAUSE: (JobState.PAUSED, {JobState.RUNNING}),
    JobCommand.RESUME: (JobState.RUNNING, {JobState.PAUSED, JobState.HALTED}),
    JobCommand.CANCEL: (JobState.CANCELLED, {JobState.RUNNING, JobState.PAUSED, JobState.HALTED}),
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

    def obey(self, command: JobCommand) -> None:
        """Change the state as a person has ordered. Raises `NotPossible`."""
        state, fitting = _FITTING[command]
        if self.state not in fitting:
            raise NotPossible(f"a job that is {self.state} cannot be {state}")
        self.state, self.why = state, None
        if command is JobCommand.RESUME:
            self.order = replace(self.order, canary=0)

    def halt(self, why: str) -> None:
        """Wait for a person, and end the lease."""
        if self.state is not JobState.CANCELLED:
            self.state, self.why = JobState.HALTED, why
        self.end_lease()

    def finish(self, now: datetime) -> bool:
        """End the job if each letter has its outcome; return whether it has ended."""
        unfinished = self.some(ItemState.WAITING, ItemState.SENDING, ItemState.REPLAYED)
        if self.state is JobState.HALTED or any(unfinished):
            return False
        if self.state is not JobState.CANCELLED:
            self.state = JobState.FINISHED
        self.end(now)
        return True

    def is_leased_by(self, worker: UUID, now: datetime) -> bool:
        """Tell whether this worker's lease lasts."""
        return self.worker == worker and self.lease_until is not None and self.lease_until > now

    def is_claimable(self, now: datetime) -> bool:
        """Tell whether the job has work, and no worker."""
        is_free = self.worker is None or self.lease_until is None or self.lease_until <= now
        has_work = self.state is JobState.RUNNING or any(self.some(ItemState.SENDING, ItemState.REPLAYED))
        return self.ended_at is None and is_free and has_work

    def job(self, now: datetime) -> Job:
        """Show it as a list does."""
        rate = None
        if self.started_at is not None:
            done = sum(item.partition is not None or item.state is ItemState.CHANGED for item in self.items)
            rate = done / max(((self.ended_at or now) - self.started_at).total_seconds(), 0.001)
        return Job(
            id=self.id,
            order=self.order,
            wanted=self.entry.wanted,
            who=self.entry.who,
            state=self.state,
            why=self.why,
            letters=len(self.items),
            counts=Counter(item.state for item in self.items),
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            rate=rate,
        )

    def in_full(self, now: datetime) -> JobInFull:
        """Show it with its groups and its newest failures."""
        groups: defaultdict[str, Counter[ItemState]] = defaultdict(Counter)
        for item in self.items:
            groups[item.fingerprint][item.state] += 1
        failed = sorted(self.some(ItemState.DEAD), key=lambda item: item.changed_at or self.created_at, reverse=True)
        return JobInFull(
            self.job(now),
            groups=[JobGroup(fingerprint, counts) for fingerprint, counts in sorted(groups.items())],
            failures=[JobFailure(item.letter_id, item.why or "") for item in failed[:_FAILURES]],
        )


def item_of(letter: LetterRow, order: Order) -> ItemRow:
    """Make the item of a letter in a new job."""
    return ItemRow(
        letter_id=letter.first.id,
        replay=letter.replays + (order.action is Action.REPLAY),
        edit=len(letter.edits),
        needs_new_id=order.new_event_id and letter.conflicts_again,
        fingerprint=letter.last.fingerprint,
    )


def replay_item(letter: LetterRow, item: ItemRow) -> ReplayItem:
    """Show an item of a letter with what its replay publishes."""
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
