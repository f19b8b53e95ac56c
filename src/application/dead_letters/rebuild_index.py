"""Build the index of dead letters again, from what it was built of."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.letters import ReadLetter
from application.dead_letters.orders import NewEntry
from application.ports import DeadLetterIndex, LogReader


class RebuildIndex:
    """Reads the DLQ from its beginning to its present end, and the letters of which it has no pointer."""

    def __init__(self, log: LogReader, records: LetterRecords, index: DeadLetterIndex) -> None:
        self._log = log
        self._records = records
        self._index = index

    async def __call__(self, who: str, reason: str) -> int:
        """Replace the index; return the number of letters. On an error the old one stays."""
        async with aclosing(self._batches()) as batches:
            return await self._index.rebuild(batches, NewEntry(who, "rebuild", {}, reason))

    async def _batches(self) -> AsyncGenerator[list[ReadLetter], None]:
        for partition, (start, end) in sorted((await self._log.spans()).items()):
            async with aclosing(self._log.read(partition, start, end)) as stretches:
                async for stretch in stretches:
                    async for batch in self._records.batches(stretch.records):
                        yield batch
        async for batch in self._records.without_pointers():
            yield batch
