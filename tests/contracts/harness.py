"""What an adapter provides to be tested by the contracts of the log's ports."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import pytest

from adapters.records import codec
from application.ports import (
    DeadLetterQueue,
    EventPublisher,
    EventSource,
    LogReader,
    RebalanceListener,
    ReplayPublisher,
)
from domain.dead_letter import Record
from domain.event import UserEvent
from tests.support.waiting import PATIENCE

PARTITIONS = 4
ALL = range(PARTITIONS)

Polled = Mapping[int, Sequence[Record]]


class LogUnderTest(Protocol):
    """A log that is fresh for each test: a topic of `PARTITIONS` partitions, a group on it, a dead-letter topic.

    Publishers and members still open at the end of a test are closed by the fixture that provides the log.
    """

    @property
    def group(self) -> str:
        """The group's name."""
        ...

    async def publisher(self) -> EventPublisher:
        """Open a publisher whose limit on a record is 1 MiB at most."""
        ...

    async def replay_publisher(self) -> ReplayPublisher:
        """Open a publisher of dead letters whose limit on a record is 1 MiB at most."""
        ...

    async def join(self, listener: RebalanceListener | None = None) -> EventSource:
        """Open a new member of the group."""
        ...

    async def leave(self, source: EventSource) -> None:
        """Close a member in order."""
        ...

    async def crash(self, source: EventSource) -> None:
        """Lose a member: it neither leaves nor gives a sign of life, and may be used on by a zombie."""
        ...

    async def reader(self, *, topic: str | None = None) -> LogReader:
        """Open a reader of the topic, or of another one."""
        ...

    async def expire(self, partition: int, *, before: int) -> None:
        """Delete the records of a partition up to an offset, as retention does."""
        ...

    async def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        """Append raw records to one partition of the topic."""
        ...

    async def records(self) -> Sequence[Record]:
        """Read the whole topic, each partition in its order."""
        ...

    async def committed(self) -> Mapping[int, int]:
        """Read the group's positions; a partition without one may be missing."""
        ...

    async def dead_letters(self) -> DeadLetterQueue:
        """Open the dead-letter topic."""
        ...

    async def read_dead_letters(self) -> Sequence[Record]:
        """Read the whole dead-letter topic."""
        ...


class LogContract:
    """What all contracts of the log have in common: subclasses override the fixture."""

    @pytest.fixture
    def log(self) -> LogUnderTest:
        raise NotImplementedError


async def append_events(log: LogUnderTest, partition: int, *events: UserEvent) -> None:
    """Append `events` to one partition, whatever their users."""
    await log.append(partition, [codec.encode(event) for event in events])


async def collect(source: EventSource, count: int, limit: int = 100, paused: Collection[int] = ()) -> list[Polled]:
    """Poll until at least `count` records were delivered; return the polls that delivered any."""
    polls: list[Polled] = []
    async with asyncio.timeout(PATIENCE):
        while sum(map(size, polls)) < count:
            polls.append(await source.poll(limit, 1.0, paused=paused))
    return [polled for polled in polls if polled]


async def read(source: EventSource, count: int, paused: Collection[int] = ()) -> list[Record]:
    """Poll until at least `count` records were delivered, and return all of them."""
    return [record for polled in await collect(source, count, paused=paused) for record in flat(polled)]


async def share(*sources: EventSource) -> list[set[int]]:
    """Poll until `sources` have all partitions between them, each its even share; return who has which.

    Nothing is delivered meanwhile.
    """
    least, most = PARTITIONS // len(sources), -(-PARTITIONS // len(sources))
    async with asyncio.timeout(PATIENCE):
        while True:
            for source in sources:
                await source.poll(1, 0.01, paused=ALL)
            held = [set(await source.lag()) for source in sources]
            if sum(map(len, held)) == len(set().union(*held)) == PARTITIONS:  # noqa: SIM102 - disjoint first, then even
                if all(least <= len(each) <= most for each in held):
                    return held


def flat(polled: Polled) -> list[Record]:
    """List what one poll delivered, partition by partition."""
    return [record for records in polled.values() for record in records]


def size(polled: Polled) -> int:
    """Count what one poll delivered."""
    return len(flat(polled))


def ends(*polls: Polled) -> dict[int, int]:
    """Name, by partition, the offset behind all that was delivered."""
    return {partition: records[-1].offset + 1 for polled in polls for partition, records in polled.items()}


def places(records: Iterable[Record]) -> list[tuple[int, int]]:
    """Return where each record was read: partition and offset."""
    return [(record.partition, record.offset) for record in records]
