"""One `AIOKafkaProducer` from its start to its stop (idempotent, acks=all), with a sender for each partition."""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextvars import copy_context
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner, murmur2

from adapters.in_flight import InFlight
from adapters.kafka.connection import Brokers, translated
from adapters.kafka.patches import stop_producer, throttled_until
from adapters.kafka.producer.partition_sender import PartitionSender
from adapters.kafka.producer.record_batches import AppendedRecord, ProducerRecord, RecordBatch
from adapters.kafka.producer.refused_sizes import RefusedSizes
from adapters.kafka.topic_rights import TopicRights

logger = logging.getLogger(__name__)

_START_LIMIT_SECONDS = 15.0
_LOOK_SECONDS = 0.2
"""How often to check whether the brokers have begun to throttle this client while it waits for a response."""
_hash_of: Callable[[bytes], int] = lru_cache(maxsize=16_384)(murmur2)
"""The hash of a key that is not cached takes a third of the time of an append."""
_POSITIVE = 0x7FFF_FFFF
_partitioner = DefaultPartitioner()


class ProducerClient:
    """Starts once and stops once; gives up what it could not send by then."""

    def __init__(
        self,
        brokers: Brokers,
        max_record_bytes: int,
        in_flight: InFlight,
        refused_sizes: RefusedSizes,
        batch_bytes: int,
    ) -> None:
        """Make a client that releases its records from `in_flight` once they are acknowledged, refused or given up.

        A batch has at most `batch_bytes`; a record that is larger is sent alone.
        """
        self.batch_bytes = min(batch_bytes, max_record_bytes)
        self._producer = AIOKafkaProducer(
            **brokers.options(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=self.batch_bytes,
            max_request_size=max_record_bytes,
        )
        self._cluster = self._producer.client.cluster
        self._cluster.add_listener(lambda _: self._in_order.clear())
        self._max_record_bytes = max_record_bytes
        self._in_flight = in_flight
        self._refused_sizes = refused_sizes
        self.late: set[RecordBatch] = set()
        """Batches that were not acknowledged in time because a quota throttles this client."""
        self._senders: dict[tuple[str, int], PartitionSender] = {}
        self._in_order: dict[str, list[PartitionSender]] = {}
        """The senders of a topic by partition number; cleared when the client fetches metadata."""
        self._context = copy_context()
        self._is_closed = False

    async def start(self, topics: Collection[str]) -> None:
        """Connect, and fetch the metadata of `topics`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                await self._producer.start()
                for topic in topics:
                    await self._producer.partitions_for(topic)

    def knows(self, topic: str) -> bool:
        """Tell whether the client has a topic's metadata."""
        return topic in self._in_order or self._cluster.partitions_for_topic(topic) is not None

    async def fetch_metadata(self, topic: str, end: float) -> None:
        """Fetch a topic's partitions and their leaders until `end`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout_at(end):
                await self._producer.partitions_for(topic)

    def append(
        self, topic: str, records: Sequence[ProducerRecord], sizes: Sequence[int]
    ) -> list[AppendedRecord | KafkaError]:
        """Append each record to the last batch of its partition, which is the one that every Kafka client chooses.

        `sizes` are in bytes without the records' frames, and counted as in flight already. The topic must be known.
        A record for which an error is returned is not sent and no longer in flight.
        """
        appended: list[AppendedRecord | KafkaError] = []
        limit = self._refused_sizes.limit(topic)
        for record, size in zip(records, sizes, strict=True):
            try:
                if size >= limit:
                    raise MessageSizeTooLargeError("the brokers have recently refused this size")
                appended.append(self._sender(topic, record.key).append(record, size, self._max_record_bytes))
            except KafkaError as error:
                self._in_flight.remove(size)
                appended.append(error)
        return appended

    @property
    def throttled_until(self) -> float:
        """Until when brokers throttle this client, in the event loop's time."""
        return throttled_until(self._producer)

    async def exists(self, topic: str) -> bool:
        """Ask the brokers whether a topic exists; while they throttle this client, use the last metadata.

        Raises the client's errors.
        """
        cluster = await self._unless_throttled(self._producer.client.fetch_all_metadata(), self._cluster)
        return bool(cluster.partitions_for_topic(topic))

    async def may_write(self, topic: str) -> bool:
        """Ask the brokers whether this user may write to a topic; True if they do not say. Raises nothing."""
        client = self._producer.client
        try:
            asking = client.send(client.get_random_node(), TopicRights(topic))
            response = await self._unless_throttled(asking, None)
        except (KafkaError, NotImplementedError):
            # The brokers are too old to say, or this one is gone, which `exists` reports.
            return True
        return response is None or TopicRights.may_write(response)

    async def stop(self, limit: float) -> int:
        """Flush for `limit` seconds at most; return how many records were not acknowledged. Raises nothing."""
        self._is_closed = True
        self._in_order.clear()
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while (sending := [each.sending for each in self._senders.values() if each.sending]) and loop.time() < end:
            await asyncio.wait(sending, timeout=end - loop.time())
        unacknowledged = sum(each.unacknowledged for each in self._senders.values())
        for task in sending:
            task.cancel()
        if unacknowledged:
            logger.warning("giving up records that were not acknowledged", extra={"records": unacknowledged})
        await stop_producer(self._producer, is_flushed=unacknowledged == 0)
        return unacknowledged

    def _sender(self, topic: str, key: bytes | None) -> PartitionSender:
        senders = self._in_order.get(topic) or self._look_up(topic)
        if key is not None:
            return senders[(_hash_of(key) & _POSITIVE) % len(senders)]
        led = self._cluster.available_partitions_for_topic(topic) or ()
        chosen: PartitionSender = _partitioner(None, senders, [each for each in senders if each.number in led])
        return chosen

    def _look_up(self, topic: str) -> list[PartitionSender]:
        if self._is_closed:
            raise ProducerClosed
        numbers = self._cluster.partitions_for_topic(topic)
        if not numbers:
            raise UnknownTopicOrPartitionError(topic)
        for number in numbers:
            if (topic, number) not in self._senders:
                self._senders[topic, number] = PartitionSender(
                    self._producer, topic, number, self._in_flight, self._context
                )
        self._in_order[topic] = [self._senders[topic, number] for number in sorted(numbers)]
        return self._in_order[topic]

    async def _unless_throttled(self, question: Coroutine[Any, Any, Any], otherwise: Any) -> Any:
        """Wait for a response; return `otherwise` if throttling would delay it."""
        loop = asyncio.get_running_loop()
        asking = asyncio.ensure_future(question)
        try:
            while not asking.done() and self.throttled_until < loop.time():
                await asyncio.wait([asking], timeout=_LOOK_SECONDS)
            return asking.result() if asking.done() else otherwise
        finally:
            asking.cancel()
