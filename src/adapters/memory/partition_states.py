"""What outlives a consumer, in memory."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.memory.outage import Outage
from application.ports import Halt, PartitionState, StaleGeneration


@dataclass(slots=True)
class StateRow:
    """How one partition stands; `is_in_hand` tells whether a consumer has the marked record now."""

    owner: object = None
    position: int | None = None
    attempts: int = 0
    marked: int | None = None
    is_in_hand: bool = False
    deaths: int = 0
    halt: Halt | None = None
    """The last one; open until it is resumed."""
    halted_at: datetime | None = None
    is_resumed: bool = False


StateTable = dict[tuple[str, str], defaultdict[int, StateRow]]
"""Rows by partition, by topic and group."""


class MemoryPartitionStates(Outage):
    """The `PartitionStates` of one consumer; those made on the same `table` share what stands in it."""

    def __init__(
        self,
        topic: str,
        group: str,
        table: StateTable | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.table = {} if table is None else table
        self._clock = clock
        self._rows = self.table.setdefault((topic, group), defaultdict(StateRow))

    async def begin(self, positions: Mapping[int, int]) -> dict[int, PartitionState]:
        await self._reach()
        return {partition: self._begin(self._rows[partition], position) for partition, position in positions.items()}

    async def attempt(self, partitions: Collection[int]) -> None:
        await self._reach()
        for partition in partitions:
            row = self._rows[partition]
            row.attempts += row.owner is self

    async def end(self, positions: Mapping[int, int]) -> None:
        await self._reach()
        for partition, position in positions.items():
            row = self._rows[partition]
            row.attempts = max(row.attempts - (row.position == position), 0)
            row.is_in_hand = row.is_in_hand and row.owner is not self

    async def mark(self, partition: int, offset: int) -> int:
        await self._reach()
        row = self._rows[partition]
        if row.owner is not self:
            raise StaleGeneration
        row.deaths = row.deaths if row.marked == offset else 0
        row.marked, row.is_in_hand = offset, True
        return row.deaths

    async def unmark(self, partition: int) -> None:
        await self._reach()
        row = self._rows[partition]
        if row.owner is self:
            row.marked, row.is_in_hand, row.deaths = None, False, 0

    async def halt(self, partition: int, halt: Halt) -> None:
        await self._reach()
        row = self._rows[partition]
        if row.halt is None or (row.halt.kind, row.halt.offset) != (halt.kind, halt.offset):
            row.halt, row.halted_at, row.is_resumed = halt, self._clock(), False

    async def halts(self) -> dict[int, Halt]:
        await self._reach()
        return {partition: halt for partition, row in self._rows.items() if (halt := _open_halt(row)) is not None}

    async def halted_since(self) -> dict[int, datetime]:
        open_halts = await self.halts()
        return {each: at for each in open_halts if (at := self._rows[each].halted_at) is not None}

    async def resume(self, partitions: Collection[int] | None = None) -> dict[int, Halt]:
        halts = await self.halts()
        resumed = {partition: halts[partition] for partition in halts if partitions is None or partition in partitions}
        for partition in resumed:
            self._rows[partition].is_resumed = True
        return resumed

    def _begin(self, row: StateRow, position: int) -> PartitionState:
        row.attempts = row.attempts if row.position == position else 0
        row.owner, row.position = self, position
        row.deaths += row.is_in_hand
        row.is_in_hand = False
        return PartitionState(row.attempts, _open_halt(row))


def _open_halt(row: StateRow) -> Halt | None:
    return None if row.is_resumed else row.halt
