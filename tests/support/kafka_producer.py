"""A twin of the Kafka client's producer: batches are on their way until a test answers for them."""

import asyncio
from collections.abc import Callable, Collection
from types import SimpleNamespace

from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

TOPIC = "events"


class FakeCluster:
    """What the client knows of one topic."""

    def __init__(self, partitions: Collection[int], led: Collection[int]) -> None:
        self.partitions, self.led = set(partitions), set(led)
        self.listeners: list[Callable[[object], None]] = []

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions if topic == TOPIC else None

    def available_partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.led if topic == TOPIC else None

    def add_listener(self, listener: Callable[[object], None]) -> None:
        self.listeners.append(listener)


class FakeKafkaProducer:
    """Has one batch of each partition on its way; refuses all once `error` is set."""

    def __init__(self, *, partitions: Collection[int], led: Collection[int], batch_bytes: int) -> None:
        self.cluster = FakeCluster(partitions, led)
        self.client = SimpleNamespace(cluster=self.cluster)
        self.error: Exception | None = None
        self.sent: dict[int, list[BatchBuilder]] = {}
        """By partition, in order."""
        self._batch_bytes = batch_bytes
        self._on_their_way: dict[int, asyncio.Future[RecordMetadata]] = {}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self._batch_bytes, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        assert topic == TOPIC
        assert batch.closed()
        if self.error is not None:
            raise self.error
        assert partition not in self._on_their_way
        self.sent.setdefault(partition, []).append(batch)
        self._on_their_way[partition] = asyncio.get_running_loop().create_future()
        return self._on_their_way[partition]

    async def acknowledge(self, partition: int, offset: int = 0) -> None:
        """Acknowledge the batch on its way: its first record is at this place in the log."""
        place = TopicPartition(TOPIC, partition)
        self._on_their_way.pop(partition).set_result(RecordMetadata(TOPIC, partition, place, offset, -1, 0, 0))
        await self.settle()

    async def fail(self, partition: int, error: KafkaError) -> None:
        """Let the batch on its way fail."""
        self._on_their_way.pop(partition).set_exception(error)
        await self.settle()

    def counts(self, partition: int) -> list[int]:
        """How many records each batch of a partition has that was sent."""
        return [batch.record_count() for batch in self.sent.get(partition, [])]

    async def settle(self) -> None:
        """Let every task go as far as it can."""
        for _ in range(5):
            await asyncio.sleep(0)
