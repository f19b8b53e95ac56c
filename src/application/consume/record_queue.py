"""The records of one partition that were read and are not done with."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import chain, islice

from domain.dead_letter import Record

_BATCHES = 2
_FULL_BYTES = 8 * 1024 * 1024


class RecordQueue:
    """A queue in offset order; full with two batches of records, or with values of 8 MiB."""

    def __init__(self, batch_size: int) -> None:
        self._full_records = _BATCHES * batch_size
        self._parts: deque[Sequence[Record]] = deque()
        """Each holds records that were polled together."""
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

    def drop(self, count: int) -> None:
        """Remove the first `count` records: they are done with."""
        while count:
            records = self._parts.popleft()
            if len(records) > count:
                self._parts.appendleft(records[count:])
            self.bytes -= _size(records[:count])
            count -= min(count, len(records))


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.value or b"") for record in records)
