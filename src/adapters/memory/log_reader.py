"""Looks at a topic of the log in memory."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from application.ports import Span, Stretch
from domain.errors import WrongDeployment

_CHUNK_RECORDS = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class MemoryLogReader(Outage):
    """A `LogReader`."""

    def __init__(self, log: MemoryLog, topic: str) -> None:
        self._log = log
        self._topic = topic

    async def spans(self) -> dict[int, Span]:
        await self._reach()
        if self._topic not in self._log.topics:
            raise WrongDeployment(f"there is no topic {self._topic}")
        beginnings = self._log.beginnings[self._topic]
        partitions = enumerate(self._log.topics[self._topic])
        return {partition: Span(beginnings[partition], len(records)) for partition, records in partitions}

    async def offsets_at(self, moment: datetime) -> dict[int, int]:
        spans = await self.spans()
        found = {}
        for partition, (start, end) in spans.items():
            records = self._log.topics[self._topic][partition][start:]
            later = (record for record in records if record.timestamp >= (moment - _EPOCH) / _MILLISECOND)
            first = next(later, None)
            found[partition] = end if first is None else first.offset
        return found

    async def committed(self, group: str) -> dict[int, int]:
        await self._reach()
        return dict(self._log.groups[self._topic, group].committed)

    async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
        while start < end:
            await self._reach()
            reached = min(max(start, self._log.beginnings[self._topic][partition]), end)
            records = self._log.topics[self._topic][partition][reached : min(reached + _CHUNK_RECORDS, end)]
            deleted, start = reached - start, reached + len(records)
            yield Stretch(deleted, records, start)
