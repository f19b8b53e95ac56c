"""Out of the log, to look at what stands there."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.dead_letter import Record


class Span(NamedTuple):
    """Offsets from `start` up to `end`, which is the first one behind them."""

    start: int
    end: int


class Stretch(NamedTuple):
    """What follows in a partition, up to `end`: some offsets that retention took before they were read, then records.

    Offsets that are neither `deleted` nor a record hold `transaction_marks`, or were taken by compaction.
    """

    deleted: int
    records: Sequence[Record]
    end: int
    transaction_marks: int = 0
    """How many offsets hold a transaction's end or a record of an aborted transaction."""


class LogReader(Protocol):
    """Reads one topic as a member of no group: nobody's position moves."""

    async def spans(self) -> Mapping[int, Span]:
        """Tell what stands in each partition. Raises `WrongDeployment` where there is no such topic."""
        ...

    async def offsets_at(self, moment: datetime) -> Mapping[int, int]:
        """Find, in each partition, the first record accepted at `moment` or later; the partition's end without one."""
        ...

    async def committed(self, group: str) -> Mapping[int, int]:
        """Tell a group's position in each partition; those where it has none are left out."""
        ...

    def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
        """Read from `start` up to `end`, which the partition has reached, in order and some thousand records at a time.

        Offsets that hold no record although retention took nothing (compaction, transaction marks) are passed over.
        Raises `WrongDeployment` at a record that can never be read, with its place.
        """
        ...
