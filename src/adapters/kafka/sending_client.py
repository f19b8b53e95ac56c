"""One producer of the Kafka client, from its start to its end: idempotent, acks=all."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from adapters.in_flight import InFlight
from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.record_batches import RecordBatches
from adapters.kafka.topic_rights import TopicRights

logger = logging.getLogger(__name__)

_START_LIMIT_SECONDS = 15.0
_ABANDON_LIMIT_SECONDS = 2.0


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
        self.batches = RecordBatches(self._producer, max_record_bytes, in_flight)
        """Sending what is appended to them is up to the client."""
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

    async def may_write(self, topic: str) -> bool:
        """Ask the brokers for our rights; True where they do not say. Raises nothing."""
        client = self._producer.client
        try:
            response = await client.send(client.get_random_node(), TopicRights(topic))
        except (KafkaError, NotImplementedError):
            # The brokers are too old to tell, or this one is gone: whoever asks for the topic will notice.
            return True
        return TopicRights.may_write(response)

    async def learn(self, topic: str) -> None:
        """Learn who leads the partitions of a topic. Raises the client's errors."""
        await self._producer.partitions_for(topic)

    async def stop(self, limit: float) -> int:
        """Flush for `limit` seconds at most; answer how many records were not acknowledged by then. Never raises."""
        cause = "the client ended before"
        try:
            async with asyncio.timeout(limit):
                await self._producer.stop()
        except Exception as error:  # noqa: BLE001 - a client that is given up may fail in any way, and nobody else should
            cause = describe(error)
        left = self.batches.records
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
