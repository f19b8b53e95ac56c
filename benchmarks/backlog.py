"""A topic full of events, filled before a consumer starts."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from uuid import uuid4

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from adapters.kafka.producer import BATCH_BYTES
from adapters.records import codec
from benchmarks.apart import apart
from benchmarks.events import COPY_EVERY, USERS, Variant, events, with_copies
from tests.support.records import Topics

PARTITIONS = 4
_MOST_IN_FLIGHT = 16
"""Batches that are not acknowledged."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The contents of a topic."""

    topic: str
    variant: Variant
    records: int
    distinct: int
    """Events with an id of their own; each further record is a duplicate."""


async def make_backlog(bootstrap: str, variant: Variant, records: int, *, copies: bool = False) -> Backlog:
    """Fill a new topic, with `copies` so that one in `COPY_EVERY` records is a duplicate."""
    topic = f"backlog-{variant}-{uuid4().hex[:8]}"
    await Topics(bootstrap).make(topic, partitions=PARTITIONS)
    await apart(_fill, bootstrap, topic, variant, records, copies=copies)
    return Backlog(topic, variant, records, records - records // COPY_EVERY if copies else records)


@lru_cache(maxsize=USERS)
def partition_of(key: bytes) -> int:
    """Choose the partition as the client does."""
    partition: int = DefaultPartitioner()(key, list(range(PARTITIONS)), list(range(PARTITIONS)))
    return partition


def _fill(bootstrap: str, topic: str, variant: Variant, records: int, *, copies: bool) -> None:
    originals = events(variant, records)
    stream = with_copies(originals, records) if copies else originals
    headers = codec.record_headers()
    uvloop.run(send(bootstrap, topic, ((codec.encode_key(each), codec.encode(each), headers) for each in stream)))


async def send(bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes, codec.Headers]]) -> None:
    """Append records, each a key, a value and headers."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=BATCH_BYTES
    ) as producer:
        sender = _Sender(producer, topic)
        for record in records:
            await sender.append(*record)
        await sender.flush()


class _Sender:
    """Builds batches as full as the service's, which is many times faster than sending record by record."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._open: dict[int, BatchBuilder] = {}
        self._in_flight: deque[asyncio.Future[object]] = deque()

    async def append(self, key: bytes, value: bytes, headers: codec.Headers) -> None:
        partition = partition_of(key)
        if not self._add(partition, key, value, headers):
            await self._hand_over(partition)
            if not self._add(partition, key, value, headers):
                raise ValueError("a record is larger than a batch")

    async def flush(self) -> None:
        for partition in list(self._open):
            await self._hand_over(partition)
        await asyncio.gather(*self._in_flight)

    def _add(self, partition: int, key: bytes, value: bytes, headers: codec.Headers) -> bool:
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self._producer.create_batch()
        added = batch.append(timestamp=None, key=key, value=value, headers=list(headers))
        return added is not None

    async def _hand_over(self, partition: int) -> None:
        batch = self._open.pop(partition)
        self._in_flight.append(await self._producer.send_batch(batch, self._topic, partition=partition))
        while len(self._in_flight) > _MOST_IN_FLIGHT:
            await self._in_flight.popleft()
