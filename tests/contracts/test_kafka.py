"""Apache Kafka, tested by the contracts of the log's ports."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.log_reader import KafkaLogReader
from adapters.kafka.producer import Producer
from adapters.kafka.publisher import KafkaEventPublisher
from adapters.kafka.replay_publisher import KafkaReplayPublisher
from adapters.kafka.topics import LETTER_MARGIN_BYTES
from adapters.memory import MemoryOversizeLetters
from application.ports import EventSource, RebalanceListener
from domain.dead_letter import Record
from domain.errors import Unavailable
from tests.contracts.dead_letters_contract import DeadLettersContract
from tests.contracts.group_contract import GroupContract, RevocationContract
from tests.contracts.harness import PARTITIONS, LogUnderTest
from tests.contracts.publisher_contract import PublisherContract
from tests.contracts.reader_contract import ReaderContract
from tests.contracts.replay_publisher_contract import ReplayPublisherContract
from tests.contracts.source_contract import SourceContract
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.records import Topics
from tests.support.waiting import PATIENCE

MAX_RECORD_BYTES = 1024 * 1024
SESSION_SECONDS = 6.0
"""The least that a broker allows: a lost member is replaced after that."""


class KafkaLogUnderTest:
    """Topics and a group of their own on a broker that others use as well."""

    def __init__(self, kafka: KafkaServer) -> None:
        self._brokers = Brokers(kafka.bootstrap)
        self._topics = Topics(kafka.bootstrap)
        self._topic = f"test-{uuid4().hex}"
        self._dlq_topic = f"{self._topic}-dlq"
        self.group = f"{self._topic}-group"
        self._producers: list[Producer] = []
        self._sources: list[KafkaEventSource] = []
        self._writer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_request_size=2 * MAX_RECORD_BYTES)
        self._admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)

    async def open(self) -> None:
        """Make the topics, and connect what works past our adapters."""
        limit = str(MAX_RECORD_BYTES + LETTER_MARGIN_BYTES)
        await self._topics.make(self._topic, partitions=PARTITIONS)
        await self._topics.make(self._dlq_topic, max_message_bytes=limit)
        await asyncio.gather(self._writer.start(), self._admin.start())

    async def publisher(self) -> KafkaEventPublisher:
        return KafkaEventPublisher(await self._producer(self._topic, MAX_RECORD_BYTES), self._topic)

    async def replay_publisher(self) -> KafkaReplayPublisher:
        return KafkaReplayPublisher(await self._producer(self._topic, MAX_RECORD_BYTES), self._topic)

    async def join(self, listener: RebalanceListener | None = None) -> KafkaEventSource:
        source = KafkaEventSource(
            self._brokers,
            topic=self._topic,
            group=self.group,
            assignor="range",
            session_timeout=SESSION_SECONDS,
        )
        source.subscribe(listener or Witness())
        self._sources.append(source)
        return source

    async def leave(self, source: EventSource) -> None:
        assert isinstance(source, KafkaEventSource)
        self._sources.remove(source)
        await source.close()

    async def crash(self, source: EventSource) -> None:
        assert isinstance(source, KafkaEventSource)
        assert source._member is not None
        coordinator = source._member.consumer._coordinator
        for task in (coordinator._coordination_task, coordinator._heartbeat_task):
            task.cancel()
            await asyncio.wait([task])

    async def reader(self, *, topic: str | None = None) -> KafkaLogReader:
        return KafkaLogReader(self._brokers, topic or self._topic)

    async def expire(self, partition: int, *, before: int) -> None:
        await self._topics.delete(self._topic, partition, before=before)

    async def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        sent = [await self._writer.send(self._topic, value, b"key", partition=partition) for value in values]
        await asyncio.gather(*sent)

    async def records(self) -> Sequence[Record]:
        return await self._topics.read(self._topic)

    async def committed(self) -> Mapping[int, int]:
        offsets = await self._admin.list_consumer_group_offsets(self.group)
        return {tp.partition: committed.offset for tp, committed in offsets.items()}

    async def dead_letters(self) -> KafkaDeadLetterQueue:
        producer = await self._producer(self._dlq_topic, MAX_RECORD_BYTES + LETTER_MARGIN_BYTES)
        return KafkaDeadLetterQueue(producer, self._dlq_topic, MemoryOversizeLetters())

    async def read_dead_letters(self) -> Sequence[Record]:
        return await self._topics.read(self._dlq_topic)

    async def close(self) -> None:
        """Close whatever is open."""
        opened: list[KafkaEventSource | Producer] = [*self._sources, *self._producers]
        await asyncio.gather(*(each.close() for each in opened))
        await asyncio.gather(self._writer.stop(), self._admin.close())

    async def _producer(self, topic: str, max_record_bytes: int) -> Producer:
        producer = Producer(self._brokers, max_record_bytes=max_record_bytes, deadline=10.0, drain_limit=5.0)
        self._producers.append(producer)
        await producer.open()
        async with asyncio.timeout(PATIENCE):
            while not await is_connected(producer, topic):
                await asyncio.sleep(0.01)
        return producer


async def is_connected(producer: Producer, topic: str) -> bool:
    """Return whether the producer is ready."""
    try:
        await producer.ping(topic)
    except Unavailable:
        return False
    return True


class _OnKafka:
    @pytest.fixture
    async def log(self, kafka: KafkaServer) -> AsyncIterator[LogUnderTest]:
        log = KafkaLogUnderTest(kafka)
        await log.open()
        yield log
        await log.close()


class TestKafkaPublisher(_OnKafka, PublisherContract):
    """`KafkaEventPublisher`."""


class TestKafkaReplayPublisher(_OnKafka, ReplayPublisherContract):
    """`KafkaReplayPublisher`."""


class TestKafkaSource(_OnKafka, SourceContract):
    """`KafkaEventSource`, alone."""


class TestKafkaGroup(_OnKafka, GroupContract):
    """`KafkaEventSource`, among others."""


class TestKafkaRevocation(_OnKafka, RevocationContract):
    """`KafkaEventSource`, when it has to release partitions."""


class TestKafkaReader(_OnKafka, ReaderContract):
    """`KafkaLogReader`."""


class TestKafkaDeadLetters(_OnKafka, DeadLettersContract):
    """`KafkaDeadLetterQueue`."""
