"""Build the index of dead letters again, from what it was built of."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from application.dead_letters.letter_records import LetterRecords
from application.dead_letters.letters import ReadLetter
from application.dead_letters.orders import NewEntry
from application.ports import DeadLetterIndex, LogReader

OnRead = Callable[[int, int], None]
"""Takes what is read, and all that there is to read."""


class RebuildIndex:
    """Reads the DLQ from its beginning to its present end, and the letters of which it has no pointer."""

    def __init__(self, log: LogReader, records: LetterRecords, index: DeadLetterIndex) -> None:
        self._log = log
        self._records = records
        self._index = index

    async def __call__(self, who: str, reason: str, on_read: OnRead = lambda _done, _total: None) -> int:
        """Replace the index; return the number of letters. On an error the old one stays.

        `on_read` is told how many of the DLQ's offsets are read.
        """
        async with aclosing(self._batches(on_read)) as batches:
            return await self._index.rebuild(batches, NewEntry(who, "rebuild", {}, reason))

    async def _batches(self, on_read: OnRead) -> AsyncGenerator[list[ReadLetter], None]:
        spans = await self._log.spans()
        total, done = sum(end - start for start, end in spans.values()), 0
        for partition, (start, end) in sorted(spans.items()):
            async with aclosing(self._log.read(partition, start, end)) as stretches:
                async for stretch in stretches:
                    async for batch in self._records.batches(stretch.records):
                        yield batch
                    on_read(done + stretch.end - start, total)
            done += end - start
        async for batch in self._records.without_pointers():
            yield batch
