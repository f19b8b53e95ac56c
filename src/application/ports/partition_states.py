"""What outlives a consumer."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class HaltKind(StrEnum):
    """Why a partition is halted. The values are stored in databases and printed, so they stay as they were."""

    DLQ_LIMIT = "storm"
    """Too many of its records were dead letters."""
    GAP = "gap"
    """The log no longer has the record that was to be read next."""
    UNREADABLE = "unreadable"
    """The log's client cannot parse the next record."""


class Halt(NamedTuple):
    """A partition is not read on from `offset` until a person has looked; `reason` is one line for that person."""

    kind: HaltKind
    offset: int
    reason: str


class PartitionState(NamedTuple):
    """How a partition stands with a consumer that takes it over."""

    attempts: int
    """How many attempts to read on from this position have not ended well so far."""
    halt: Halt | None
    """Why it must not be read on; None also where a person has resumed it."""


class PartitionStates(Protocol):
    """What has to survive a consumer, for each partition of one topic in one group; each consumer has its own.

    A consumer owns the partitions that it has begun until another one begins them. One that slept meanwhile takes
    nothing of the new owner's away.
    """

    async def begin(self, positions: Mapping[int, int]) -> Mapping[int, PartitionState]:
        """Take over each partition at its position, and count a death of the record in the marker."""
        ...

    async def attempt(self, partitions: Collection[int]) -> None:
        """Count an attempt to read own partitions on from their positions: something of them is in flight."""
        ...

    async def end(self, positions: Mapping[int, int]) -> None:
        """Take back an attempt to read each partition from its position on: it ended well.

        A record is taken out of the marker where this consumer owns the partition; its deaths stay known.
        """
        ...

    async def mark(self, partition: int, offset: int) -> int:
        """Put a record alone into the marker of an own partition; answer how many deaths it stood there before.

        Raises `StaleGeneration` where another consumer has begun the partition.
        """
        ...

    async def unmark(self, partition: int) -> None:
        """Take the record out of the marker of an own partition, and forget its deaths: it did no harm."""
        ...

    async def halt(self, partition: int, halt: Halt) -> None:
        """Keep a halt until a person resumes it; one that was resumed already, of this kind and offset, stays so."""
        ...

    async def halts(self) -> Mapping[int, Halt]:
        """List the halts that nobody has resumed."""
        ...

    async def halted_since(self) -> Mapping[int, datetime]:
        """Tell since when each of these stands."""
        ...

    async def resume(self, partitions: Collection[int] | None = None) -> Mapping[int, Halt]:
        """Resume some partitions, or all; return the halts that this ended."""
        ...
