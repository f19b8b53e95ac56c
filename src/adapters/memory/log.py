"""A log of topics with partitions, and its publisher."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zlib import crc32

from adapters.memory.outage import Outage
from adapters.records import codec
from adapters.records.log_record import LogRecord
from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent


@dataclass(slots=True)
class Group:
    """A consumer group on one topic: who takes part, and how far it came. A new member list is a new generation."""

    members: list[object] = field(default_factory=list)
    generation: int = 0
    committed: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def change(self, members: list[object]) -> None:
        """Share the partitions anew."""
        self.members = members
        self.generation += 1

    def share_of(self, member: object, partitions: int) -> range:
        """Tell which partitions `member` has to read."""
        if member not in self.members:
            return range(0)
        return range(self.members.index(member), partitions, len(self.members))


class MemoryLog:
    """Topics that spring into being with the same number of partitions each."""

    def __init__(self, partitions: int = 3, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.partitions = partitions
        self.topics: dict[str, list[list[LogRecord]]] = defaultdict(lambda: [[] for _ in range(partitions)])
        self.beginnings: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        """By topic and partition, the first offset that still stands."""
        self.groups: dict[tuple[str, str], Group] = defaultdict(Group)
        self._clock = clock
        self._changed = asyncio.Event()

    def make(self, topic: str) -> None:
        """Have `topic` stand before anything is in it."""
        self.topics[topic]

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: codec.Headers = (),
        partition: int | None = None,
    ) -> LogRecord:
        """Append one record to the partition of its key, or to the one named."""
        place = crc32(key or b"") % self.partitions if partition is None else partition
        records = self.topics[topic][place]
        timestamp = int(self._clock().timestamp() * 1000)
        record = LogRecord(topic, place, len(records), timestamp, key, value, tuple(headers))
        records.append(record)
        self.announce()
        return record

    def records(self, topic: str) -> list[LogRecord]:
        """List all records of `topic`, partition by partition."""
        return [record for partition in self.topics[topic] for record in partition]

    def expire(self, topic: str, partition: int, *, before: int) -> None:
        """Delete the records of a partition up to an offset, as retention would; nobody reads them any more."""
        self.beginnings[topic][partition] = before

    def join(self, group: Group, member: object) -> None:
        """Add `member` to `group`."""
        group.change([*group.members, member])
        self.announce()

    def leave(self, group: Group, member: object) -> None:
        """Take `member` out of `group`, whether it knows or not."""
        if member in group.members:
            group.change([other for other in group.members if other is not member])
            self.announce()

    def announce(self) -> None:
        """Wake everybody who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, wait: float) -> bool:
        """Return when anything changed, or False after `wait` seconds."""
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True


class MemoryPublisher(Outage):
    """An `EventPublisher`; an outage that the port can name is the outcome of every event."""

    def __init__(self, log: MemoryLog, topic: str, max_record_bytes: int = 1024 * 1024) -> None:
        self._log = log
        self._topic = topic
        self._max_record_bytes = max_record_bytes

    async def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> list[Receipt | Rejected | Unavailable]:
        try:
            await self._reach()
        except (Rejected, Unavailable) as outage:
            return [outage for _ in events]
        headers = codec.record_headers(traceparent)
        return [self._append(event, headers) for event in events]

    async def ping(self) -> None:
        await self._reach()

    def _append(self, event: UserEvent, headers: codec.Headers) -> Receipt | Rejected:
        key, value = codec.encode_key(event), codec.encode(event)
        if len(key) + len(value) > self._max_record_bytes:
            return Rejected(f"the record is larger than {self._max_record_bytes} bytes")
        record = self._log.append(self._topic, key, value, headers)
        return Receipt(record.partition, record.offset)
