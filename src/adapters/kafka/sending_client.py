"""One producer of the Kafka client, from its start to its end: idempotent, acks=all."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed
from aiokafka.structs import RecordMetadata

from adapters.in_flight import InFlight
from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.pending import Pending
from adapters.kafka.record_batches import Outgoing, RecordBatches

logger = logging.getLogger(__name__)

_START_LIMIT_SECONDS = 15.0
_ABANDON_LIMIT_SECONDS = 2.0


class Sent(NamedTuple):
    """Where a record stands."""

    batch: Pending
    place: int
    """In the batch, counted from 0."""


class SendingClient:
    """Starts once and stops once; what it then has not sent is given up."""

    def __init__(self, brokers: Brokers, max_record_bytes: int, batch_bytes: int, in_flight: InFlight) -> None:
        """Make a client that lets its records out of `in_flight` once they are acknowledged, refused or given up.

        A record that is larger than `batch_bytes` is sent alone, smaller ones for one partition together.
        """
        self.batch_bytes = batch_bytes
        self._producer = AIOKafkaProducer(
            **brokers.options(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=batch_bytes,
            max_request_size=max_record_bytes,
        )
        self._batches = RecordBatches(self._producer, max_record_bytes)
        self._in_flight = in_flight
        self._pending: dict[asyncio.Future[RecordMetadata], Pending] = {}
        """The batches that have not been acknowledged."""
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """Tell the time by the clock that waiting for batches goes by, in seconds."""
        return self._loop.time()

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

    async def learn(self, topic: str) -> None:
        """Learn who leads the partitions of a topic. Raises the client's errors."""
        await self._producer.partitions_for(topic)

    def has_learned(self, topic: str) -> bool:
        """Tell whether records of a topic can be appended."""
        return self._batches.knows(topic)

    def append(self, record: Outgoing, size: int) -> Sent:
        """Take a record of a learned topic, whose size is in flight; sending it is up to the client.

        Raises the client's errors, after which it is not sent and remains in flight.
        """
        word = self._batches.append(record, size)
        pending = self._pending.get(word)
        if pending is None:
            pending = self._pending[word] = Pending(word)
            word.add_done_callback(self._settle)
        sent = Sent(pending, pending.records)
        pending.records += 1
        pending.size += size
        return sent

    async def stop(self, limit: float) -> int:
        """Flush for `limit` seconds at most; answer how many records were not acknowledged by then. Never raises."""
        cause = "the client ended before"
        try:
            async with asyncio.timeout(limit):
                await self._producer.stop()
        except Exception as error:  # noqa: BLE001 - a client that is given up may fail in any way, and nobody else should
            cause = describe(error)
        left = sum(pending.records for batch, pending in self._pending.items() if not batch.done())
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

    def _settle(self, batch: asyncio.Future[RecordMetadata]) -> None:
        pending = self._pending.pop(batch)
        self._in_flight.remove(pending.size, pending.records)
        if not batch.cancelled():
            # Read, so that an outcome nobody waits for any more is not reported as forgotten.
            batch.exception()
