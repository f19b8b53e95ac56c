"""A member of a consumer group on the log in memory."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from adapters.records.log_record import LogRecord
from application.ports import Halt, HaltKind, RebalanceListener, StaleGeneration
from domain.errors import Unavailable


class MemorySource(Outage):
    """An `EventSource`; takes part in its group from `open` until `close`, or until it crashes."""

    def __init__(self, log: MemoryLog, topic: str, group: str) -> None:
        self._log = log
        self._listener: RebalanceListener | None = None
        self._records = log.topics[topic]
        self._beginnings = log.beginnings[topic]
        self._group = log.groups[topic, group]
        self._generation = -1
        self._positions: dict[int, int] = {}

    def subscribe(self, listener: RebalanceListener) -> None:
        self._listener = listener

    async def open(self) -> None:
        """Join the group."""
        self._log.join(self._group, self)

    async def close(self) -> None:
        """Leave the group; its partitions go to the members that stay."""
        if self._listener is not None and self._positions:
            await (self._listener.on_revoked if self._is_current else self._listener.on_lost)(self._positions)
        self._positions = {}
        self._log.leave(self._group, self)

    def crash(self) -> None:
        """Be lost: the group goes on without this member, which learns of it only from what it tries next."""
        self._log.leave(self._group, self)

    async def poll(self, limit: int, wait: float, *, paused: Collection[int] = ()) -> Mapping[int, Sequence[LogRecord]]:
        await self._reach()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            await self._follow()
            polled = self._take(limit, paused)
            if polled or not await self._log.change(end - loop.time()):
                return polled

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self._reach()
        if not self._is_current or not offsets.keys() <= self._positions.keys():
            raise StaleGeneration
        self._group.committed.update(offsets)

    def halted(self) -> dict[int, Halt]:
        return {
            partition: Halt(HaltKind.GAP, position, f"{self._beginnings[partition] - position} records expired")
            for partition, position in self._positions.items()
            if position < self._beginnings[partition]
        }

    def open_transactions(self) -> dict[int, int]:
        return {}

    def skip(self, partition: int) -> None:
        self._positions[partition] = self._beginnings[partition]
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

    @property
    def _is_current(self) -> bool:
        return self in self._group.members and self._generation == self._group.generation

    async def _follow(self) -> None:
        """Take up the group's present generation, whose members start from what is committed."""
        assert self._listener is not None
        while self._generation != self._group.generation:
            generation = self._group.generation
            share = self._group.share_of(self, len(self._records))
            lost, self._positions = self._positions, {}
            if lost:
                await self._listener.on_lost(lost)
            positions = {partition: self._group.committed[partition] for partition in share}
            if positions:
                await self._listener.on_assigned(positions)
            self._generation, self._positions = generation, positions

    def _take(self, limit: int, paused: Collection[int]) -> dict[int, Sequence[LogRecord]]:
        polled: dict[int, Sequence[LogRecord]] = {}
        for partition, position in list(self._positions.items()):
            if partition in paused or position < self._beginnings[partition] or limit == 0:
                continue
            if records := self._records[partition][position : position + limit]:
                # Next time it is the others' turn first.
                del self._positions[partition]
                self._positions[partition] = position + len(records)
                limit -= len(records)
                polled[partition] = records
        return polled
