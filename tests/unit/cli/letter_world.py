"""Dead letters in memory, for the commands that look into them and change them."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

from adapters.memory import MemoryAuditLog, MemoryEventStore
from adapters.memory.letters import MemoryLetters
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.jobs import ItemState, Job, JobCommand, JobInFull, JobState, NotPossible
from application.dead_letters.letters import (
    Edit,
    FailedAttempt,
    Headers,
    Letter,
    LetterCursor,
    LetterFilter,
    LetterGroup,
    LetterInFull,
    LetterOrigin,
    LetterPage,
    LetterState,
)
from application.dead_letters.orders import Action, AuditEntry, CountChanged, NewEntry, Order, Preview, Skipped
from application.ports import DeadLetterIndex, ReplayJobs
from domain.event import UserEvent
from domain.validation import Invalid, Problem
from entrypoints.config.settings import Settings
from entrypoints.processes.dead_letters import DeadLetterTools
from tests.support.events import NOON, a_record, decode


def a_letter(
    place: str = "0-7",
    *,
    kind: str = "invalid",
    message: str | None = "userId: must not be empty",
    user_id: str | None = "user-1",
    value: bytes | None = b'{"userId": ""}',
    headers: Headers = (("content-type", b"application/json"),),
    state: LetterState = LetterState.DEAD,
    replays: int = 0,
    event_id: UUID | None = None,
    fingerprint: str | None = None,
    minutes: int = 0,
) -> LetterInFull:
    """Make a letter with one failure, so many minutes after noon."""
    partition, offset = (int(number) for number in place.split("-")[-2:])
    cause = fingerprint or f"{kind:.8}"
    at = NOON + timedelta(minutes=minutes)
    letter = Letter(
        id=place,
        state=state,
        origin=None if place.startswith("dlq") else LetterOrigin("events", partition, offset, 1_795_348_800_000),
        dlq_partition=partition,
        dlq_offset=offset,
        kind=kind,
        error_class="Invalid",
        message=message,
        sqlstate=None,
        fingerprint=cause,
        event_id=event_id,
        user_id=user_id,
        event_type="LOGIN",
        attempts=1,
        replays=replays,
        edits=0,
        first_failed_at=NOON,
        failed_at=at,
        changed_at=at,
        value_bytes=None if value is None else len(value),
    )
    failure = FailedAttempt(partition, offset, replays, 0, kind, "Invalid", message, None, 1, at)
    return LetterInFull(letter, b"user-1", value, headers, [failure], [])


EVENT_ID = UUID("0193a5b0-0000-7000-8000-000000000001")
EXAMPLES = (
    a_letter("0-7"),
    a_letter("0-8", kind="conflict", user_id="user-2", event_id=EVENT_ID, minutes=1),
    a_letter("dlq-0-3", kind="unknown", user_id=None, value=b"\x00\x01", minutes=2),
    a_letter("0-9", state=LetterState.DISCARDED, minutes=3),
)


class LetterWorld:
    """The index, the jobs, the audit log and the table, and the tools that work on them.

    `before_change` is called before each change, for what others do at the same time.
    """

    def __init__(self, *letters: LetterInFull) -> None:
        self.letters: dict[str, LetterInFull] = {}
        self.add(*letters)
        self.jobs: dict[UUID, JobInFull] = {}
        self.tables = MemoryLetters()
        self.rebuilt: list[tuple[str, str]] = []
        self.store = MemoryEventStore(lambda: NOON)
        self.before_change: Callable[[], None] = lambda: None
        index, jobs = cast("DeadLetterIndex", _Index(self)), cast("ReplayJobs", _Jobs(self))
        self.tools = DeadLetterTools(
            BrowseLetters(index, self.store, parse),
            ChangeLetters(index, jobs),
            EditLetter(index, parse),
            ControlJobs(jobs),
            self._rebuild,
            MemoryAuditLog(self.tables),
        )

    @asynccontextmanager
    async def open(self, _settings: Settings, _choose: object) -> AsyncIterator[DeadLetterTools]:
        """Stand in for `assembled`."""
        yield self.tools

    def add(self, *letters: LetterInFull) -> None:
        """Put letters into the index."""
        self.letters |= {each.letter.id: each for each in letters}

    def states(self) -> dict[str, LetterState]:
        """Tell how each letter stands."""
        return {letter_id: each.letter.state for letter_id, each in self.letters.items()}

    def set_state(self, letter_id: str, state: LetterState) -> None:
        """Change a letter as others would."""
        found = self.letters[letter_id]
        self.letters[letter_id] = replace(found, letter=replace(found.letter, state=state))

    def end_job(self, job_id: UUID, state: JobState, counts: Mapping[ItemState, int], why: str | None = None) -> None:
        """End a job as a worker would."""
        found = self.jobs[job_id]
        ended = replace(found.job, state=state, counts=counts, why=why, ended_at=NOON, started_at=NOON, rate=12.5)
        self.jobs[job_id] = replace(found, job=ended)

    @property
    def entries(self) -> Sequence[AuditEntry]:
        """The audit log, oldest entry first."""
        return self.tables.audit_log

    async def _rebuild(self, who: str, reason: str) -> int:
        self.rebuilt.append((who, reason))
        return len(self.letters)


def parse(value: bytes) -> UserEvent:
    """Read a record's value."""
    event = decode(a_record(value))
    if isinstance(event, UserEvent):
        return event
    raise Invalid(Problem("value", event.reason))


class _Index:
    """A `DeadLetterIndex` as far as people use it."""

    def __init__(self, world: LetterWorld) -> None:
        self._world = world

    async def page(self, wanted: LetterFilter, after: LetterCursor | None, limit: int) -> LetterPage:
        found = sorted(self._chosen(wanted), key=_rank, reverse=True)
        left = [each for each in found if after is None or _rank(each) < after]
        following = LetterCursor(*_rank(left[limit - 1])) if len(left) > limit else None
        return LetterPage(left[:limit], following)

    async def groups(self, wanted: LetterFilter, limit: int) -> Sequence[LetterGroup]:
        return _groups(self._chosen(wanted))[:limit]

    async def get(self, letter_ids: Sequence[str]) -> Sequence[LetterInFull]:
        return [self._world.letters[each] for each in letter_ids if each in self._world.letters]

    async def preview(self, wanted: LetterFilter, order: Order) -> Preview:
        skipped: Counter[Skipped] = Counter()
        concerned: list[Letter] = []
        for letter in self._chosen(wanted):
            why = _skipped(letter, order)
            if why is None:
                concerned.append(letter)
            else:
                skipped[why] += 1
        times = [letter.failed_at for letter in concerned]
        sample = [letter.id for letter in concerned[:10]]
        return Preview(
            len(concerned), _groups(concerned), min(times, default=None), max(times, default=None), sample, skipped
        )

    async def change(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> int:
        self._world.before_change()
        concerned = [letter for letter in self._chosen(wanted) if _skipped(letter, order) is None]
        if expected not in (None, len(concerned)):
            raise CountChanged(expected or 0, len(concerned))
        for letter in concerned:
            is_discard = order.action is Action.DISCARD
            self._world.set_state(letter.id, LetterState.DISCARDED if is_discard else LetterState.DEAD)
        self._world.tables.record(entry, {"letters": len(concerned)})
        return len(concerned)

    async def edit(
        self, letter_id: str, value: bytes, key: bytes | None, event: UserEvent, entry: NewEntry
    ) -> Edit | None:
        found = self._world.letters[letter_id]
        edit = Edit(len(found.edits) + 1, NOON, entry.who, entry.reason, value)
        letter = replace(found.letter, edits=edit.number, user_id=event.user_id)
        self._world.letters[letter_id] = replace(found, letter=letter, key=key, edits=[*found.edits, edit])
        self._world.tables.record(entry, {"letters": 1})
        return edit

    def _chosen(self, wanted: LetterFilter) -> list[Letter]:
        return [each.letter for each in self._world.letters.values() if _matches(each.letter, wanted)]


class _Jobs:
    """`ReplayJobs` as far as people use them."""

    def __init__(self, world: LetterWorld) -> None:
        self._world = world

    async def create(self, wanted: LetterFilter, order: Order, entry: NewEntry, expected: int | None) -> Job:
        self._world.before_change()
        preview = await _Index(self._world).preview(wanted, order)
        if expected not in (None, preview.count):
            raise CountChanged(expected or 0, preview.count)
        counts = {ItemState.WAITING: preview.count}
        made = (JobState.RUNNING, None, preview.count, counts, NOON, None, None, None)
        job = Job(uuid4(), order, entry.wanted, entry.who, *made)
        self._world.jobs[job.id] = JobInFull(job, [], [])
        self._world.tables.record(entry, {"letters": preview.count})
        return job

    async def newest(self, limit: int, before: UUID | None = None) -> Sequence[Job]:
        assert before is None
        return [found.job for found in reversed(self._world.jobs.values())][:limit]

    async def get(self, job_id: UUID) -> JobInFull | None:
        return self._world.jobs.get(job_id)

    async def control(self, job_id: UUID, command: JobCommand, entry: NewEntry) -> Job | None:
        found = self._world.jobs.get(job_id)
        if found is None:
            return None
        if found.job.ended_at is not None:
            raise NotPossible("the job has ended")
        states = {
            JobCommand.PAUSE: JobState.PAUSED,
            JobCommand.RESUME: JobState.RUNNING,
            JobCommand.CANCEL: JobState.CANCELLED,
        }
        job = replace(found.job, state=states[command])
        self._world.jobs[job_id] = replace(found, job=job)
        self._world.tables.record(entry, {"jobs": 1})
        return job


def _rank(letter: Letter) -> LetterCursor:
    return LetterCursor(letter.failed_at, letter.id)


def _skipped(letter: Letter, order: Order) -> Skipped | None:
    if letter.state is not (LetterState.DISCARDED if order.action is Action.RESTORE else LetterState.DEAD):
        return Skipped.STATE
    if order.action is not Action.REPLAY:
        return None
    if letter.replays >= order.max_replays:
        return Skipped.MAX_REPLAYS
    return Skipped.CONFLICT if letter.kind == "conflict" and not order.new_event_id else None


def _matches(letter: Letter, wanted: LetterFilter) -> bool:
    names = ("state", "kind", "fingerprint", "user_id", "event_type", "event_id", "error_class")
    return (
        (wanted.ids is None or letter.id in wanted.ids)
        and all(getattr(wanted, name) in (None, getattr(letter, name)) for name in names)
        and (wanted.since is None or letter.failed_at >= wanted.since)
        and (wanted.until is None or letter.failed_at < wanted.until)
    )


def _groups(letters: Sequence[Letter]) -> Sequence[LetterGroup]:
    by_cause: dict[str, list[Letter]] = {}
    for letter in letters:
        by_cause.setdefault(letter.fingerprint, []).append(letter)
    return [_group(each) for each in sorted(by_cause.values(), key=len, reverse=True)]


def _group(letters: Sequence[Letter]) -> LetterGroup:
    newest = max(letters, key=_rank)
    times = [letter.failed_at for letter in letters]
    users = len({letter.user_id for letter in letters if letter.user_id is not None})
    return LetterGroup(
        newest.fingerprint,
        newest.kind,
        newest.error_class,
        newest.message,
        len(letters),
        users,
        min(letter.first_failed_at for letter in letters),
        max(times),
        min(times),
        newest.id,
    )
