"""Out of the log, as a member of a group."""

from collections.abc import Collection, Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from domain.dead_letter import Record
from domain.stop import Stop


@dataclass(frozen=True, eq=False)
class Batch:
    """Records of one or more partitions, in offset order within each; equal only to itself.

    `assignment` is the source's token for the claim on the partitions under which they were read.
    """

    records: Sequence[Record]
    assignment: object

    @cached_property
    def ends(self) -> Mapping[int, int]:
        """By partition, the offset behind its last record."""
        return {record.partition: record.offset + 1 for record in self.records}

    @property
    def partitions(self) -> AbstractSet[int]:
        return self.ends.keys()

    def part(self, partitions: Container[int]) -> "Batch":
        """The records of some partitions, read under the same claim."""
        return Batch([record for record in self.records if record.partition in partitions], self.assignment)


class Superseded(Exception):
    """The batch was read under an assignment that is gone: another consumer reads its records again."""


class Custodian(Protocol):
    """Hears which partitions a source was given, and which it gave up."""

    async def begin(self, positions: Mapping[int, int]) -> None:
        """Take over partitions, with the group's position in each; nothing of them is delivered before this returns."""
        ...

    async def end(self, partitions: Collection[int]) -> None:
        """Give up partitions in order: nothing of them is in flight any more. Never raises."""
        ...


class EventSource(Protocol):
    """Reads the log as one member of a consumer group that shares its partitions.

    Made with a `Custodian`. It hears of partitions that are given up in order, not of those that are lost.
    """

    async def poll(self, limit: int, wait: float) -> Batch:
        """Read on: at most `limit` records, an empty batch when none came within `wait` seconds.

        Advances a read position that is the source's own: a record is not returned twice unless its batch was
        rewound or its partition was lost in between. Nothing else happens between the position's last move and the
        return. What the custodian raises, this raises.
        """
        ...

    async def commit(self, batch: Batch) -> None:
        """Make the end of `batch`, or of its beginning, the group's position in each of its partitions.

        Raises `Superseded`.
        """
        ...

    def rewind(self, batch: Batch) -> Collection[int]:
        """Deliver `batch`, or the end of one, again from its first uncommitted record on.

        Names the partitions in which that is so: the position stands there or before it from now on, also for a poll
        under way. None where its assignment is gone.
        """
        ...

    def owns(self, batch: Batch) -> bool:
        """Tell whether `batch` could still be committed, as far as is known without asking the log."""
        ...

    def stopped(self) -> Mapping[int, Stop]:
        """Name the assigned partitions that cannot be read on: a person has to act."""
        ...

    def open_transactions(self) -> Mapping[int, int]:
        """Name the assigned partitions that wait for another producer to end its transaction, and at which offset."""
        ...

    def skip(self, partition: int) -> None:
        """Give up what `stopped` names for `partition`, and read on behind it."""
        ...

    def pause(self, partitions: Collection[int]) -> None:
        """Deliver nothing of `partitions` until resumed, whoever holds them meanwhile. Polling must go on."""
        ...

    def resume(self, partitions: Collection[int]) -> None:
        """Undo `pause`."""
        ...

    @property
    def is_throttled(self) -> bool:
        """Whether the log itself makes this member wait at present, whatever there is to read."""
        ...

    async def lag(self) -> Mapping[int, int]:
        """Count, for each assigned partition, the records behind the group's position, by the log's own word."""
        ...

    async def ping(self) -> None:
        """Return when the log answers and this member takes part in the group."""
        ...
