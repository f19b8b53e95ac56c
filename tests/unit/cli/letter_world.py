"""Dead letters in memory, for the commands that look into them and change them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from adapters.memory import (
    MemoryAuditLog,
    MemoryDeadLetterIndex,
    MemoryDeadLetterQueue,
    MemoryEventStore,
    MemoryLog,
    MemoryLogReader,
    MemoryOversizeLetters,
    MemoryReplayJobs,
)
from adapters.memory.dead_letters.job_rows import JobRow
from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.memory.dead_letters.noting import note
from adapters.records import codec
from adapters.records import letters as letter_codec
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.jobs import ItemState, JobState
from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.letters import Headers, LetterOrigin, LetterState, ReadLetter
from application.dead_letters.orders import AuditEntry
from application.dead_letters.rebuild_index import RebuildIndex
from application.dead_letters.use_cases import LetterUseCases
from entrypoints.config.settings import Settings
from tests.support.events import NOON, RULES, a_dead_letter, a_record

PartT = TypeVar("PartT")

EVENT_ID = UUID("0193a5b0-0000-7000-8000-000000000001")


def a_letter(
    place: str = "0-7",
    *,
    kind: str = "invalid",
    message: str | None = "userId: must not be empty",
    user_id: str | None = "user-1",
    value: bytes | None = b'{"userId": ""}',
    headers: Headers = (("content-type", b"application/json"),),
    event_id: UUID | None = None,
    minutes: int = 0,
) -> ReadLetter:
    """Make a letter that failed so many minutes after noon; its cause is its kind."""
    partition, offset = (int(number) for number in place.split("-")[-2:])
    return ReadLetter(
        id=place,
        origin=None if place.startswith("dlq") else LetterOrigin("events", partition, offset, 1_795_348_800_000),
        dlq_partition=partition,
        dlq_offset=offset,
        kind=kind,
        error_class="Invalid",
        message=message,
        sqlstate=None,
        fingerprint=kind,
        event_id=event_id,
        user_id=user_id,
        event_type="LOGIN",
        attempts=1,
        replays=0,
        edit=0,
        first_failed_at=NOON,
        failed_at=NOON + timedelta(minutes=minutes),
        key=b"user-1",
        value=value,
        headers=headers,
    )


class LetterWorld:
    """Four letters, the jobs, the audit log, the DLQ and the table, and the use cases that work on them."""

    def __init__(self) -> None:
        self.tables = MemoryLetters()
        self.index = MemoryDeadLetterIndex(self.tables, "events")
        self._replay_jobs = MemoryReplayJobs(self.tables, "events")
        self.store = MemoryEventStore(lambda: NOON)
        self.log = MemoryLog(partitions=1)
        self.log.make("dlq")
        records = LetterRecords(MemoryOversizeLetters(), letter_codec.reader("events"), letter_codec.points_to)
        parse = codec.parser(RULES)
        self.use_cases = LetterUseCases(
            BrowseLetters(self.index, self.store, parse),
            ChangeLetters(self.index, self._replay_jobs),
            EditLetter(self.index, parse),
            ControlJobs(self._replay_jobs),
            MemoryAuditLog(self.tables),
        )
        self._rebuild_index = RebuildIndex(MemoryLogReader(self.log, "dlq"), records, self.index)
        self.add(a_letter("0-7"))
        self.add(a_letter("0-8", kind="conflict", user_id="user-2", event_id=EVENT_ID, minutes=1))
        self.add(a_letter("dlq-0-3", kind="unknown", user_id=None, value=b"\x00\x01", minutes=2))
        self.add(a_letter("0-9", minutes=3))
        self.set_state("0-9", LetterState.DISCARDED)

    @asynccontextmanager
    async def open(self, _settings: Settings, choose: Callable[["LetterWorld"], PartT]) -> AsyncIterator[PartT]:
        """Stand in for `assembled`, and for its container."""
        yield choose(self)

    def letter_use_cases(self) -> LetterUseCases:
        """Stand in for the container."""
        return self.use_cases

    def rebuild_index(self) -> RebuildIndex:
        """Stand in for the container."""
        return self._rebuild_index

    def add(self, *letters: ReadLetter) -> None:
        """Put letters into the index, in place of those with their ids."""
        for letter in letters:
            self.tables.rows.pop(letter.id, None)
            self.tables.failures = {
                place: failure for place, failure in self.tables.failures.items() if failure[0] != letter.id
            }
            note(self.tables, letter)

    def clear(self) -> None:
        """Empty the index."""
        self.tables.rows.clear()
        self.tables.failures.clear()

    def dead_letter(self) -> None:
        """Add a record to the DLQ, of which the index does not know."""
        asyncio.run(MemoryDeadLetterQueue(self.log, "dlq").send([a_dead_letter(a_record(b"{"))]))

    def states(self) -> dict[str, LetterState]:
        """Return the state of each letter."""
        return {letter_id: row.state for letter_id, row in self.tables.rows.items()}

    def set_state(self, letter_id: str, state: LetterState) -> None:
        """Change a letter as others would."""
        self.tables.rows[letter_id].state = state

    def end_job(self, job_id: UUID, state: JobState, counts: Mapping[ItemState, int], why: str | None = None) -> None:
        """Change a job and so many of its letters as a worker would; `why` is the cause of each failure, too."""
        row = self.jobs[job_id]
        row.state, row.why, row.started_at, row.ended_at = state, why, NOON, NOON
        for item, outcome in zip(row.items, Counter(counts).elements(), strict=True):
            item.state, item.why = outcome, why

    @property
    def jobs(self) -> Mapping[UUID, JobRow]:
        """All jobs, oldest first."""
        return self._replay_jobs.rows

    @property
    def entries(self) -> Sequence[AuditEntry]:
        """The audit log, oldest entry first."""
        return self.tables.audit_log
