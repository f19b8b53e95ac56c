"""Decode the next records of a partition while the database takes the batch before them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from application.consume.process_event import ProcessEvent, Reading
from application.consume.record_queue import RecordQueue
from domain.dead_letter import Record


class ReadAhead:
    """Keeps what was decoded behind one batch, until the next batch begins with it."""

    def __init__(self, queue: RecordQueue, process: ProcessEvent, limit: int) -> None:
        """`limit`: how many records to decode ahead."""
        self._queue = queue
        self._process = process
        self._limit = limit
        self._offset = -1
        """That of the first record which was decoded."""
        self._readings: list[Reading] = []

    def readings_of(self, batch: Sequence[Record]) -> Sequence[Reading]:
        """Return the contents of the first records of `batch`, as far as they were decoded."""
        return self._readings[: len(batch)] if batch[0].offset == self._offset else ()

    def drop(self, batch: Sequence[Record]) -> None:
        """Forget the contents of `batch`, which is done with: its offsets may come again where a topic is made anew."""
        if batch[0].offset == self._offset:
            self._offset, self._readings = -1, []

    @asynccontextmanager
    async def behind(self, batch: Sequence[Record]) -> AsyncIterator[None]:
        """Decode the records behind `batch` meanwhile and no longer: a suspect of another partition must be alone."""
        decoding = asyncio.create_task(self._decode(len(batch)))
        try:
            yield
        finally:
            decoding.cancel()
            await asyncio.wait([decoding])
            if not decoding.cancelled():
                decoding.result()

    async def _decode(self, start: int) -> None:
        (first,) = await self._queue.beyond(start, 1)
        if first.offset != self._offset:
            self._offset, self._readings = first.offset, []
        while (left := self._limit - len(self._readings)) > 0:
            records = await self._queue.beyond(start + len(self._readings), left)
            async for portion in self._process.read(records):
                self._readings += portion
