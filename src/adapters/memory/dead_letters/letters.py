"""The tables of dead letters, in memory: the index, its edits, jobs' items and the audit log share them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from application.dead_letters.jobs import ItemState
from application.dead_letters.letters import Edit, Letter, LetterFilter, LetterState, ReadLetter
from application.dead_letters.orders import Action, AuditEntry, NewEntry, Order, Skipped
from domain.dead_letter import FailureKind
from domain.event import UserEvent


@dataclass(slots=True)
class EditRow:
    """An edit, and what its value holds."""

    edit: Edit
    key: bytes | None
    event: UserEvent
    audit_id: int


@dataclass(slots=True)
class LetterRow:
    """A letter: its first record, its last failure, and what became of it."""

    first: ReadLetter
    last: ReadLetter
    state: LetterState
    replays: int
    """The number of the last replay that was ordered."""
    changed_at: datetime
    edits: list[EditRow] = field(default_factory=list)

    @property
    def conflicts_again(self) -> bool:
        """Whether it does if it is replayed as it is, under its own event id."""
        return self.last.kind == FailureKind.CONFLICT and len(self.edits) <= self.last.edit

    @property
    def letter(self) -> Letter:
        """The entry as a list shows it."""
        first, last, edit = self.first, self.last, self.edits[-1] if self.edits else None
        value = edit.edit.value if edit else first.value
        return Letter(
            id=first.id,
            state=self.state,
            origin=first.origin,
            dlq_partition=last.dlq_partition,
            dlq_offset=last.dlq_offset,
            kind=last.kind,
            error_class=last.error_class,
            message=last.message,
            sqlstate=last.sqlstate,
            fingerprint=last.fingerprint,
            event_id=edit.event.id if edit else first.event_id,
            user_id=edit.event.user_id if edit else first.user_id,
            event_type=edit.event.event_type if edit else first.event_type,
            attempts=last.attempts,
            replays=self.replays,
            edits=len(self.edits),
            first_failed_at=first.first_failed_at,
            failed_at=last.failed_at,
            changed_at=self.changed_at,
            value_bytes=None if value is None else len(value),
        )


@dataclass(slots=True)
class ItemRow:
    """A letter in a job."""

    letter_id: str
    replay: int
    """The number of this replay of the letter; of no meaning for other actions."""
    edit: int
    needs_new_id: bool
    fingerprint: str
    state: ItemState = ItemState.WAITING
    partition: int | None = None
    offset: int | None = None
    why: str | None = None
    changed_at: datetime | None = None

    def is_before(self, committed: Mapping[int, int]) -> bool:
        """Tell whether the group's position has passed its record."""
        if self.partition is None or self.offset is None:
            return False
        return self.offset < committed.get(self.partition, 0)


@dataclass(slots=True)
class JobItems:
    """What the index has to know about a job."""

    audit_id: int
    action: Action
    items: list[ItemRow]
    """In the order in which the job takes them."""


@dataclass(slots=True)
class MemoryLetters:
    """What `MemoryDeadLetterIndex`, `MemoryReplayJobs` and `MemoryAuditLog` share; times are the clock's."""

    rows: dict[str, LetterRow] = field(default_factory=dict)
    failures: dict[tuple[int, int], tuple[str, ReadLetter]] = field(default_factory=dict)
    """By partition and offset in the DLQ: a letter's id, and one failure of it."""
    edits: dict[str, list[EditRow]] = field(default_factory=dict)
    """By letter; they outlive the index."""
    audit_log: list[AuditEntry] = field(default_factory=list)
    """The first one has the id 1."""
    concerned: dict[int, Sequence[str]] = field(default_factory=dict)
    """By entry of the audit log: the letters that it discarded or restored."""
    jobs: dict[UUID, JobItems] = field(default_factory=dict)
    rebuilding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the index is rebuilt: whoever writes to it waits."""

    def record(self, entry: NewEntry, counts: Mapping[str, int], letter_ids: Sequence[str] = ()) -> AuditEntry:
        """Add an entry to the audit log."""
        made = AuditEntry(
            len(self.audit_log) + 1, datetime.now(UTC), entry.who, entry.action, entry.wanted, counts, entry.reason
        )
        self.audit_log.append(made)
        if letter_ids:
            self.concerned[made.id] = [*letter_ids]
        return made

    def chosen(self, wanted: LetterFilter) -> list[LetterRow]:
        """Find the letters that match a filter."""
        return [row for row in self.rows.values() if _matches(row.letter, wanted)]

    def concerns(self, wanted: LetterFilter, order: Order, topic: str) -> list[LetterRow]:
        """Find the letters that match a filter and that an order does not leave alone."""
        return [row for row in self.chosen(wanted) if skipped(row, order, topic) is None]

    def has_changed_since(self, letter: LetterRow, audit_id: int) -> bool:
        """Tell whether a later entry of the audit log has changed the letter."""
        letter_id = letter.first.id
        changes = (each for each, letters in self.concerned.items() if letter_id in letters)
        replays = (
            job.audit_id
            for job in self.jobs.values()
            if job.action is Action.REPLAY and any(item.letter_id == letter_id for item in job.items)
        )
        return any(each > audit_id for each in (*changes, *replays))


def skipped(row: LetterRow, order: Order, topic: str) -> Skipped | None:
    """Tell why `order` leaves a letter alone; `topic` is the events' topic."""
    if row.state is not (LetterState.DISCARDED if order.action is Action.RESTORE else LetterState.DEAD):
        return Skipped.STATE
    if order.action is not Action.REPLAY:
        return None
    if row.first.origin is not None and row.first.origin.topic != topic:
        return Skipped.FOREIGN
    if row.replays >= order.max_replays:
        return Skipped.MAX_REPLAYS
    return Skipped.CONFLICT if row.conflicts_again and not order.new_event_id else None


def _matches(letter: Letter, wanted: LetterFilter) -> bool:
    return (
        (wanted.ids is None or letter.id in wanted.ids)
        and wanted.state in (None, letter.state)
        and wanted.kind in (None, letter.kind)
        and wanted.fingerprint in (None, letter.fingerprint)
        and wanted.user_id in (None, letter.user_id)
        and wanted.event_type in (None, letter.event_type)
        and wanted.event_id in (None, letter.event_id)
        and wanted.error_class in (None, letter.error_class)
        and (wanted.since is None or letter.failed_at >= wanted.since)
        and (wanted.until is None or letter.failed_at < wanted.until)
    )
