"""Out of the log, as a member of a group."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from application.ports.partition_states import Halt
from domain.dead_letter import Record


class StaleGeneration(Exception):
    """The member's claim on a partition is gone: another one reads its uncommitted records again."""


class RebalanceListener(Protocol):
    """Learns which partitions a source is given, and which it has to give up."""

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        """Take over partitions, each at the group's position; nothing of them is delivered before this returns.

        What it raises, the poll that assigns them raises; a later poll calls it again.
        """
        ...

    async def on_revoked(self, partitions: Collection[int]) -> None:
        """Finish what is in flight of partitions that others will read; it can be committed until this returns.

        Never raises.
        """
        ...

    async def on_lost(self, partitions: Collection[int]) -> None:
        """Drop partitions that others may read by now: nothing of them can be committed. Never raises."""
        ...


class EventSource(Protocol):
    """Reads the log as one member of a consumer group that shares its partitions."""

    def subscribe(self, listener: RebalanceListener) -> None:
        """Name the listener; once, before the first poll."""
        ...

    async def poll(self, limit: int, wait: float, *, paused: Collection[int] = ()) -> Mapping[int, Sequence[Record]]:
        """Read on: at most `limit` records, by partition, in offset order; none when none came within `wait` seconds.

        Nothing of `paused` partitions is delivered. Every record is delivered once in an assignment of its partition,
        from the group's position on: a partition that comes back is assigned anew, after `on_revoked` or `on_lost`.
        """
        ...

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Make each offset the group's position in its partition: that of the next record to read.

        Raises `StaleGeneration` where one of the partitions is this member's no longer; others may be committed.
        """
        ...

    def halted(self) -> Mapping[int, Halt]:
        """Name the assigned partitions that cannot be read on: a person has to act."""
        ...

    def skip(self, partition: int) -> None:
        """Give up what `halted` names for `partition`, and read on behind it."""
        ...

    def open_transactions(self) -> Mapping[int, int]:
        """Name the assigned partitions that wait for another producer to end its transaction, and at which offset."""
        ...

    @property
    def is_throttled(self) -> bool:
        """Whether the log itself makes this member wait at present, whatever there is to read."""
        ...

    async def lag(self) -> Mapping[int, int]:
        """Count, for each assigned partition, the records behind the group's position, by the log's own answer."""
        ...

    async def ping(self) -> None:
        """Return when the log answers and this member takes part in the group."""
        ...
