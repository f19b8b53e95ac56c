"""One producer of the Kafka client, from its start to its end: idempotent, acks=all."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed
from aiokafka.structs import RecordMetadata

from adapters.kafka.connection import Brokers, describe, translated

logger = logging.getLogger(__name__)

BATCH_BYTES = 16_384
"""A record that is larger than this is sent alone, smaller ones for one partition together."""
_START_LIMIT_SECONDS = 15.0
_ABANDON_LIMIT_SECONDS = 2.0
_NULL = object()
"""Stands for a value that is None, which the client refuses to send where the key is None too."""


class Outgoing(NamedTuple):
    """A record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class SendingClient:
    """Starts once and stops once; what it then has not sent is given up."""

    def __init__(self, brokers: Brokers, max_record_bytes: int) -> None:
        self._producer = AIOKafkaProducer(
            **brokers.options(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=max_record_bytes,
            value_serializer=_serialize,
        )
        self._unacknowledged: set[asyncio.Future[RecordMetadata]] = set()

    async def start(self, topics: Collection[str]) -> None:
        """Connect, and learn who leads the partitions of `topics`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                await self._producer.start()
                for topic in topics:
                    await self._producer.partitions_for(topic)

    async def knows(self, topic: str) -> bool:
        """Ask the brokers whether there is such a topic. Raises the client's errors."""
        cluster = await self._producer.client.fetch_all_metadata()
        return bool(cluster.partitions_for_topic(topic))

    async def enqueue(self, record: Outgoing) -> asyncio.Future[RecordMetadata]:
        """Take a record, for as long as there is no room by waiting; the future ends with the log's word.

        Raises the client's errors, after which the record is not sent; nor is it when this is cancelled.
        """
        future: asyncio.Future[RecordMetadata] = await self._producer.send(
            record.topic,
            key=record.key,
            value=_NULL if record.value is None else record.value,
            headers=list(record.headers),
        )
        self._unacknowledged.add(future)
        future.add_done_callback(self._acknowledge)
        return future

    async def stop(self, limit: float) -> int:
        """Flush for `limit` seconds at most; answer how many records were not acknowledged by then. Never raises."""
        cause = "the client ended before"
        try:
            async with asyncio.timeout(limit):
                await self._producer.stop()
        except Exception as error:  # noqa: BLE001 - a client that is given up may fail in any way, and nobody else should
            cause = describe(error)
        left = sum(not future.done() for future in self._unacknowledged)
        if left:
            logger.warning("records are given up that were not acknowledged", extra={"cause": cause, "records": left})
        await self._abandon()
        return left

    async def _abandon(self) -> None:
        """End what a flush cut short leaves behind: the client's own second `stop` does nothing."""
        producer = self._producer
        with suppress(Exception):
            async with asyncio.timeout(_ABANDON_LIMIT_SECONDS):
                # Together, since a sender ends when its connections do, and would open new ones.
                await asyncio.gather(producer.client.close(), producer._sender.close())  # noqa: SLF001 - the client offers no end without a flush
        producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - as above

    def _acknowledge(self, future: asyncio.Future[RecordMetadata]) -> None:
        self._unacknowledged.discard(future)
        if not future.cancelled():
            # Read, so that an outcome nobody waits for any more is not reported as forgotten.
            future.exception()


def _serialize(value: object) -> object:
    return None if value is _NULL else value
