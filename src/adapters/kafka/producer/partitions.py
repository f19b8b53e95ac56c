"""Chooses the partition of each record, and holds the senders of all partitions."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner, murmur2

from adapters.in_flight import InFlight
from adapters.kafka.producer.partition_sender import PartitionSender
from adapters.kafka.producer.record_batches import AppendedRecord, ProducerRecord
from adapters.kafka.producer.refused_sizes import RefusedSizes

_hash_of: Callable[[bytes], int] = lru_cache(maxsize=16_384)(murmur2)
"""The hash of a key that is not cached takes a third of the time of an append."""
_POSITIVE = 0x7FFF_FFFF
_partitioner = DefaultPartitioner()


class PartitionSenders:
    """One sender a partition, for one `AIOKafkaProducer`."""

    def __init__(
        self, producer: AIOKafkaProducer, max_record_bytes: int, in_flight: InFlight, refused_sizes: RefusedSizes
    ) -> None:
        """Release records from `in_flight` once they are acknowledged, refused or given up."""
        self._producer = producer
        self._cluster = producer.client.cluster
        self._cluster.add_listener(lambda _: self._in_order.clear())
        self._max_record_bytes = max_record_bytes
        self._in_flight = in_flight
        self._refused_sizes = refused_sizes
        self._senders: dict[tuple[str, int], PartitionSender] = {}
        self._in_order: dict[str, list[PartitionSender]] = {}
        """The senders of a topic by partition number; cleared when the client fetches metadata."""
        self._context = copy_context()
        self._is_closed = False

    def knows(self, topic: str) -> bool:
        """Tell whether the client has a topic's metadata."""
        return topic in self._in_order or self._cluster.partitions_for_topic(topic) is not None

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

    async def close(self, limit: float) -> int:
        """Flush for `limit` seconds at most, then give up the rest; return how many records were given up."""
        self._is_closed = True
        self._in_order.clear()
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while (sending := [each.sending for each in self._senders.values() if each.sending]) and loop.time() < end:
            await asyncio.wait(sending, timeout=end - loop.time())
        unacknowledged = sum(each.unacknowledged for each in self._senders.values())
        for task in sending:
            task.cancel()
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
