"""The records of one partition that were polled and are not done with; the first ones are decoded already."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import chain, islice
from time import perf_counter

from application.consume.process_event import Reading
from application.event_loop import TURN_SECONDS
from application.ports import Delivery
from domain.dead_letter import Failure, Record
from domain.event import UserEvent

_BATCHES = 2
_FULL_BYTES = 8 * 1024 * 1024
_PORTION_RECORDS = 100
"""After how many decoded records others may work: or earlier, where payloads take long to check."""


class RecordQueue:
    """A queue in offset order; full with two batches of records, or with values of 8 MiB."""

    def __init__(self, batch_size: int, decode: Callable[[Record], UserEvent | Failure]) -> None:
        self._full_records = _BATCHES * batch_size
        self._decode = decode
        self._parts: deque[Sequence[Record]] = deque()
        """Each holds records that were polled together."""
        self._readings: list[Reading] = []
        """The contents of the first records, as far as they were decoded."""
        self.bytes = 0
        """The size of all values."""
        self._grown = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def is_full(self) -> bool:
        """Whether the partition is not to be polled for now."""
        return len(self) >= self._full_records or self.bytes >= _FULL_BYTES

    def put(self, records: Sequence[Record]) -> None:
        """Append records behind all others."""
        self._parts.append(records)
        self.bytes += _size(records)
        self._grown.set()

    async def beyond(self, count: int, limit: int) -> Sequence[Record]:
        """Wait for more than `count` records; return at most `limit` of those behind the first `count`."""
        while len(self) <= count:
            self._grown.clear()
            await self._grown.wait()
        return list(islice(chain.from_iterable(self._parts), count, count + limit))

    async def read(self, count: int) -> Sequence[Reading]:
        """Return the contents of the first `count` records, each decoded once; wait until they have come."""
        while (done := len(self._readings)) < count:
            records = await self.beyond(done, count - done)
            for start in range(0, len(records), _PORTION_RECORDS):
                ends = perf_counter() + TURN_SECONDS
                for record in records[start : start + _PORTION_RECORDS]:
                    content = self._decode(record)
                    self._readings.append(Delivery(record, content) if isinstance(content, UserEvent) else content)
                    if perf_counter() >= ends:
                        await asyncio.sleep(0)
                        ends = perf_counter() + TURN_SECONDS
                await asyncio.sleep(0)
        return self._readings[:count]

    @asynccontextmanager
    async def reading_ahead(self, count: int) -> AsyncIterator[None]:
        """Decode up to `count` records meanwhile and no longer: a suspect of another partition must be alone."""
        reading = asyncio.create_task(self.read(count))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                reading.result()

    def drop(self, count: int) -> None:
        """Remove the first `count` records: they are done with."""
        del self._readings[:count]
        while count:
            records = self._parts.popleft()
            if len(records) > count:
                self._parts.appendleft(records[count:])
            self.bytes -= _size(records[:count])
            count -= min(count, len(records))


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.value or b"") for record in records)
