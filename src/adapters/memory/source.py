"""A member of a consumer group on the log in memory."""

import asyncio
from collections.abc import Collection, Iterator

from adapters import wire
from adapters.memory.log import MemoryLog, MemoryRecord
from adapters.memory.outage import Outage
from application.ports import Batch, Delivery, Superseded
from domain.dead_letter import Failure
from domain.errors import Unavailable
from domain.event import UserEvent


class MemorySource(Outage):
    """An `EventSource`; takes part in its group from `open` until `close`, or until it crashes."""

    def __init__(self, log: MemoryLog, topic: str, group: str) -> None:
        self._log = log
        self._records = log.topics[topic]
        self._group = log.groups[topic, group]
        self._generation = -1
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()

    async def open(self) -> None:
        """Join the group."""
        self._log.join(self._group, self)

    async def close(self) -> None:
        """Leave the group; its partitions go to the members that stay."""
        self._log.leave(self._group, self)

    def crash(self) -> None:
        """Be lost: the group goes on without this member, which learns of it only from what it tries next."""
        self._log.leave(self._group, self)

    async def poll(self, limit: int, wait: float) -> Batch:
        await self._reach()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            self._follow()
            records = list(self._take(limit))
            if records or not await self._log.change(end - loop.time()):
                deliveries: list[Delivery[UserEvent | Failure]] = [
                    Delivery(each, wire.decode(each)) for each in records
                ]
                return Batch(deliveries, self._generation)

    async def commit(self, batch: Batch) -> None:
        await self._reach()
        if not self.owns(batch):
            raise Superseded
        for delivery in batch.deliveries:
            self._group.committed[delivery.record.partition] = delivery.record.offset + 1

    def rewind(self, batch: Batch) -> None:
        if self.owns(batch):
            for partition, offset in ((each.record.partition, each.record.offset) for each in batch.deliveries):
                self._positions[partition] = min(offset, self._positions[partition])

    def owns(self, batch: Batch) -> bool:
        return self in self._group.members and batch.assignment == self._group.generation

    def stopped(self) -> dict[int, str]:
        return {}

    def pause(self, partitions: Collection[int]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self._paused.difference_update(partitions)
        self._log.announce()

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

    def _follow(self) -> None:
        """Take up the group's present generation, whose members start from what is committed."""
        if self._generation != self._group.generation:
            self._generation = self._group.generation
            share = self._group.share_of(self, len(self._records))
            self._positions = {partition: self._group.committed[partition] for partition in share}

    def _take(self, limit: int) -> Iterator[MemoryRecord]:
        for partition, position in list(self._positions.items()):
            if partition in self._paused:
                continue
            records = self._records[partition][position : position + limit]
            if records:
                # Next time it is the others' turn first.
                del self._positions[partition]
                self._positions[partition] = position + len(records)
                limit -= len(records)
                yield from records
