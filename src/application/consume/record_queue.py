"""The records of one partition that were read and not begun."""

import asyncio
from collections import deque
from collections.abc import Sequence

from domain.dead_letter import Record

_MAX_POLLS = 2


class RecordQueue:
    """A queue in offset order; full with the records of two polls, however many those are."""

    def __init__(self) -> None:
        self._polled: deque[Sequence[Record]] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._polled))

    @property
    def is_full(self) -> bool:
        """Whether the partition is not to be polled for now."""
        return len(self._polled) >= _MAX_POLLS

    def put(self, records: Sequence[Record]) -> None:
        """Append what one poll returned: at least one record."""
        self._polled.append(records)
        self._filled.set()

    def put_back(self, records: Sequence[Record]) -> None:
        """Put records before all others, where they were taken from."""
        if records:
            self._polled.appendleft(records)
            self._filled.set()

    async def first(self) -> Record:
        """Wait for a record; it stays in the queue."""
        await self._filled.wait()
        return self._polled[0][0]

    def take(self, limit: int) -> Sequence[Record]:
        """Take at most `limit` records."""
        taken: list[Record] = []
        while self._polled and len(taken) < limit:
            records = self._polled.popleft()
            space = limit - len(taken)
            taken += records[:space]
            if len(records) > space:
                self._polled.appendleft(records[space:])
        if not self._polled:
            self._filled.clear()
        return taken
