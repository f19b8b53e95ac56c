"""A log in memory with a DLQ, and an index that says what it was given."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from typing import cast

from adapters.memory import MemoryDeadLetterQueue, MemoryLog, MemoryLogReader, MemoryOversizeLetters, MemorySource
from adapters.memory.outage import Outage
from adapters.records import letters
from application.consume.pace import Backoff
from application.dead_letters.index_letters import IndexLetters
from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.letters import ReadLetter
from application.dead_letters.orders import NewEntry
from application.ports import DeadLetterIndex
from domain.dead_letter import DeadLetter
from tests.support.events import a_dead_letter, a_record
from tests.support.waiting import PATIENCE

GROUP = "group.dead-letters"


class NotingIndex(Outage):
    """What the indexer and a rebuild need of a `DeadLetterIndex`."""

    def __init__(self) -> None:
        self.batches: list[Sequence[ReadLetter]] = []
        self.entries: list[NewEntry] = []
        self.asked = 0

    async def note(self, batch: Sequence[ReadLetter]) -> None:
        self.asked += 1
        await self._reach()
        self.batches.append(batch)

    async def rebuild(self, batches: AsyncIterable[Sequence[ReadLetter]], entry: NewEntry) -> int:
        self.entries.append(entry)
        self.batches = [batch async for batch in batches]
        return len(self.noted)

    @property
    def noted(self) -> list[str]:
        """The ids of all letters, in order."""
        return [letter.id for batch in self.batches for letter in batch]

    @property
    def port(self) -> DeadLetterIndex:
        """The port of which this is a part."""
        return cast("DeadLetterIndex", self)


class World:
    """Everything that the indexer works with."""

    def __init__(self) -> None:
        self.log = MemoryLog(partitions=2)
        self.log.make("dlq")
        self.dlq = MemoryDeadLetterQueue(self.log, "dlq")
        self.reader = MemoryLogReader(self.log, "dlq")
        self.oversize = MemoryOversizeLetters()
        self.index = NotingIndex()
        self.records = LetterRecords(self.oversize, letters.reader("events"), letters.points_to)

    async def dead_letters(self, *offsets: int, value: bytes = b"{") -> None:
        """Dead-letter records of the events' topic."""
        await self.dlq.send([a_letter(offset, value) for offset in offsets])

    @property
    def committed(self) -> int:
        """How many records of the DLQ the indexer's group has committed."""
        return sum(self.log.groups["dlq", GROUP].committed.values())

    async def indexer(self) -> tuple[IndexLetters, MemorySource]:
        """Make an indexer whose source has joined its group."""
        source = MemorySource(self.log, "dlq", GROUP)
        indexer = IndexLetters(source, self.index.port, self.records, backoff=Backoff(0.01, 0.01))
        await source.open()
        return indexer, source


def a_letter(offset: int, value: bytes = b"{") -> DeadLetter:
    """Make a dead letter about a record of the events' topic."""
    return a_dead_letter(a_record(value, offset=offset))


class Running:
    """Runs an indexer meanwhile."""

    def __init__(self, indexer: IndexLetters) -> None:
        self._indexer = indexer
        self._stop = asyncio.Event()

    async def __aenter__(self) -> asyncio.Task[None]:
        self.task = asyncio.create_task(self._indexer.run(self._stop))
        return self.task

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        async with asyncio.timeout(PATIENCE):
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self.task])
