"""A member of a consumer group on the log in memory."""

import asyncio
from collections.abc import Collection, Iterator

from adapters.log_record import LogRecord
from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from application.ports import Batch, Custodian, Superseded
from domain.errors import Unavailable
from domain.stop import Stop, StopKind


class MemorySource(Outage):
    """An `EventSource`; takes part in its group from `open` until `close`, or until it crashes."""

    def __init__(self, log: MemoryLog, topic: str, group: str, custodian: Custodian) -> None:
        self._log = log
        self._custodian = custodian
        self._records = log.topics[topic]
        self._beginnings = log.beginnings[topic]
        self._group = log.groups[topic, group]
        self._generation = -1
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()

    async def open(self) -> None:
        """Join the group."""
        self._log.join(self._group, self)

    async def close(self) -> None:
        """Leave the group; its partitions go to the members that stay."""
        positions, self._positions = self._positions, {}
        await self._custodian.end(positions)
        self._log.leave(self._group, self)

    def crash(self) -> None:
        """Be lost: the group goes on without this member, which learns of it only from what it tries next."""
        self._log.leave(self._group, self)

    async def poll(self, limit: int, wait: float) -> Batch:
        await self._reach()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            await self._follow()
            records = list(self._take(limit))
            if records or not await self._log.change(end - loop.time()):
                return Batch(records, self._generation)

    async def commit(self, batch: Batch) -> None:
        await self._reach()
        if not self._is_current(batch):
            raise Superseded
        self._group.committed.update(batch.ends)

    def rewind(self, batch: Batch) -> Collection[int]:
        rewound = set()
        for record in batch.records if self._is_current(batch) else ():
            if record.offset >= self._group.committed[record.partition]:
                self._positions[record.partition] = min(record.offset, self._positions[record.partition])
                rewound.add(record.partition)
        return rewound

    def owns(self, batch: Batch) -> bool:
        return self._is_current(batch)

    def stopped(self) -> dict[int, Stop]:
        return {
            partition: Stop(StopKind.GAP, position, f"{self._beginnings[partition] - position} records expired")
            for partition, position in self._positions.items()
            if position < self._beginnings[partition]
        }

    def open_transactions(self) -> dict[int, int]:
        return {}

    def skip(self, partition: int) -> None:
        self._positions[partition] = self._beginnings[partition]

    def pause(self, partitions: Collection[int]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self._paused.difference_update(partitions)
        self._log.announce()

    @property
    def is_throttled(self) -> bool:
        return False

    async def lag(self) -> dict[int, int]:
        await self._reach()
        return {
            partition: len(self._records[partition]) - self._group.committed[partition]
            for partition in self._group.share_of(self, len(self._records))
        }

    async def ping(self) -> None:
        await self._reach()
        if self not in self._group.members:
            raise Unavailable("this member is not in its group")

    def _is_current(self, batch: Batch) -> bool:
        return self in self._group.members and batch.assignment == self._group.generation

    async def _follow(self) -> None:
        """Take up the group's present generation, whose members start from what is committed."""
        while self._generation != self._group.generation:
            generation = self._group.generation
            share = self._group.share_of(self, len(self._records))
            given_up, self._positions = self._positions, {}
            if given_up:
                await self._custodian.end(given_up)
            positions = {partition: self._group.committed[partition] for partition in share}
            await self._custodian.begin(positions)
            self._generation, self._positions = generation, positions

    def _take(self, limit: int) -> Iterator[LogRecord]:
        for partition, position in list(self._positions.items()):
            if partition in self._paused or position < self._beginnings[partition]:
                continue
            records = self._records[partition][position : position + limit]
            if records:
                # Next time it is the others' turn first.
                del self._positions[partition]
                self._positions[partition] = position + len(records)
                limit -= len(records)
                yield from records
