"""Puts records into the Kafka client's batches at once, without a task, a timer or a future for each of them.

The client's own `send` costs more than all else that publishing an event takes. It also waits while a partition's
batch is full; here another one is opened behind it. The client sends a partition's batches one after the other, so
the records of a partition keep the order in which they were appended.
"""

import asyncio
from collections.abc import Sequence
from copy import copy
from functools import lru_cache, partial
from random import choice

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from adapters.in_flight import InFlight
from adapters.kafka.pending import Pending, Sent
from adapters.kafka.refusals import NotSentError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What the brokers say of a record or of a batch."""
_hash_of = lru_cache(maxsize=16_384)(murmur2)
"""Remembers users, since the hash costs a third of all that is done for a record."""
_POSITIVE = 0x7FFF_FFFF
_FRAME_BYTES = 128
_FRAME_BYTES_A_HEADER = 10
"""More than a frame ever takes: what fits with these need not be measured."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to be sent."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class RecordBatches:
    """The batches of a producer of the client that have not been acknowledged."""

    def __init__(self, producer: AIOKafkaProducer, max_record_bytes: int, in_flight: InFlight) -> None:
        """Let records out of `in_flight` once they are acknowledged, refused or given up."""
        self._cluster = producer.client.cluster
        self._accumulator = producer._message_accumulator  # noqa: SLF001 - see above
        self._max_record_bytes = max_record_bytes
        self._in_flight = in_flight
        self._pending: dict[MessageBatch, Pending] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}
        """Of each topic that was sent to, in order; until the client learns more."""
        self._cluster.add_listener(lambda _: self._partitions.clear())
        self._failed: dict[TopicPartition, BaseException] = {}
        """What a batch has failed on, by partition."""

    @property
    def records(self) -> int:
        """How many records they have together."""
        return sum(pending.records for pending in self._pending.values() if not pending.word.done())

    def append(self, topic: str, record: Outgoing, size: int) -> Sent:
        """Put a record last in its partition, and tell where it stands.

        `size`, which is in flight, is without what its frame takes. The topic must be known. Raises the client's
        errors, after which the record is not sent and remains in flight. Nothing follows a failed batch whose records
        may be sent again: they would come behind.
        """
        accumulator = self._accumulator
        if accumulator._closed:  # noqa: SLF001 - see above
            raise ProducerClosed
        if accumulator._exception is not None:  # noqa: SLF001 - see above
            raise copy(accumulator._exception)  # noqa: SLF001 - see above
        if size + _FRAME_BYTES + _FRAME_BYTES_A_HEADER * len(record.headers) > self._max_record_bytes:
            self._check_size(record)
        partition = self._partition(topic, record.key)
        if partition in self._failed:
            raise NotSentError(self._failed[partition])
        waiting = accumulator._batches.get(partition)  # noqa: SLF001 - see above
        batch: MessageBatch | None = waiting[-1] if waiting else None
        if batch is None or not _put(record, batch):
            batch = self._open(partition)
            # An empty one takes any record.
            _put(record, batch)
        pending = self._pending[batch]
        sent = Sent(pending, pending.records)
        pending.records += 1
        pending.size += size
        return sent

    def knows(self, topic: str) -> bool:
        """Tell whether it is known who leads the partitions of a topic."""
        return topic in self._partitions or self._cluster.partitions_for_topic(topic) is not None

    def _open(self, partition: TopicPartition) -> MessageBatch:
        batch = self._accumulator._append_batch(self._accumulator.create_builder(), partition)  # noqa: SLF001 - see above
        batch.future.add_done_callback(partial(self._settle, partition, batch))
        self._pending[batch] = Pending(batch.future)
        return batch

    def _settle(self, partition: TopicPartition, batch: MessageBatch, word: asyncio.Future[RecordMetadata]) -> None:
        pending = self._pending.pop(batch)
        self._in_flight.remove(pending.size, pending.records)
        # A failure that is read is not reported as forgotten, should nobody wait for it any more.
        if word.cancelled() or (error := word.exception()) is None:
            return
        if batch._drain_waiter.done():  # noqa: SLF001 - see above
            batch._drain_waiter.exception()  # noqa: SLF001 - see above
        if isinstance(error, TOO_LARGE) and pending.records == 1:
            # It is refused for good: nobody sends it again.
            return
        self._failed[partition] = error
        for later in self._accumulator._batches.pop(partition, ()):  # noqa: SLF001 - see above
            if not later.future.done():
                later.future.set_exception(NotSentError(error))

    def _check_size(self, record: Outgoing) -> None:
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers))
        if size > self._max_record_bytes:
            raise MessageSizeTooLargeError(f"{size} bytes are more than {self._max_record_bytes}")

    def _partition(self, topic: str, key: bytes | None) -> TopicPartition:
        """Choose as every client of Kafka does; a record without a key goes to any partition that has a leader."""
        every = self._partitions.get(topic) or self._look_up(topic)
        if key is not None:
            return every[(_hash_of(key) & _POSITIVE) % len(every)]
        led = self._cluster.available_partitions_for_topic(topic) or ()
        return choice([each for each in every if each.partition in led] or every)  # noqa: S311 - nobody gains by guessing it

    def _look_up(self, topic: str) -> list[TopicPartition]:
        numbers = self._cluster.partitions_for_topic(topic)
        if not numbers:
            raise UnknownTopicOrPartitionError(topic)
        self._partitions[topic] = [TopicPartition(topic, number) for number in sorted(numbers)]
        return self._partitions[topic]


def _put(record: Outgoing, batch: MessageBatch) -> bool:
    """Put a record into a batch; False where it has no room."""
    taken = batch._builder.append(  # noqa: SLF001 - see above
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return taken is not None
