"""One producer of the Kafka client, from its start to its end: idempotent, acks=all."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from adapters.in_flight import InFlight
from adapters.kafka.connection import Brokers, translated
from adapters.kafka.patches import stop_producer, throttled_until
from adapters.kafka.producer.partitions import PartitionSenders
from adapters.kafka.producer.record_batches import RecordBatch
from adapters.kafka.producer.refused_sizes import RefusedSizes
from adapters.kafka.topic_rights import TopicRights

logger = logging.getLogger(__name__)

_START_LIMIT_SECONDS = 15.0
_LOOK_SECONDS = 0.2
"""How often to look whether an answer will be late since this client is throttled."""


class ProducerClient:
    """Starts once and stops once; what it then has not sent is given up."""

    def __init__(
        self,
        brokers: Brokers,
        max_record_bytes: int,
        in_flight: InFlight,
        refused_sizes: RefusedSizes,
        batch_bytes: int,
    ) -> None:
        """Make a client that releases its records from `in_flight` once they are acknowledged, refused or given up.

        A record that is larger than `batch_bytes` is sent alone, smaller ones for one partition together.
        """
        self.batch_bytes = min(batch_bytes, max_record_bytes)
        self._producer = AIOKafkaProducer(
            **brokers.options(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=self.batch_bytes,
            max_request_size=max_record_bytes,
        )
        self.partitions = PartitionSenders(self._producer, max_record_bytes, in_flight, refused_sizes)
        self.late: set[RecordBatch] = set()
        """Batches that were not acknowledged in time since a quota of the brokers throttles this client."""
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

    async def learn(self, topic: str, end: float) -> None:
        """Learn which partitions a topic has, and who leads them, until `end`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout_at(end):
                await self._producer.partitions_for(topic)

    @property
    def throttled_until(self) -> float:
        """Until when a quota keeps brokers from listening to this client, by the same clock."""
        return throttled_until(self._producer)

    async def exists(self, topic: str) -> bool:
        """Ask the brokers whether there is such a topic, or tell what they said before they throttled this client.

        Raises the client's errors.
        """
        client = self._producer.client
        cluster = await self._unless_throttled(client.fetch_all_metadata(), client.cluster)
        return bool(cluster.partitions_for_topic(topic))

    async def may_write(self, topic: str) -> bool:
        """Ask the brokers for our rights; True where they do not say. Raises nothing."""
        client = self._producer.client
        try:
            asking = client.send(client.get_random_node(), TopicRights(topic))
            response = await self._unless_throttled(asking, None)
        except (KafkaError, NotImplementedError):
            # The brokers are too old to tell, or this one is gone: whoever asks for the topic will notice.
            return True
        return response is None or TopicRights.may_write(response)

    async def stop(self, limit: float) -> int:
        """Flush for `limit` seconds at most; return how many records were not acknowledged by then. Never raises."""
        unacknowledged = await self.partitions.close(limit)
        if unacknowledged:
            logger.warning("records are given up that were not acknowledged", extra={"records": unacknowledged})
        await stop_producer(self._producer, is_flushed=unacknowledged == 0)
        return unacknowledged

    async def _unless_throttled(self, question: Coroutine[Any, Any, Any], otherwise: Any) -> Any:
        """Wait for an answer, or do without it while brokers throttle this client, which keeps it waiting."""
        asking = asyncio.ensure_future(question)
        try:
            while not asking.done() and self.throttled_until < self.time():
                await asyncio.wait([asking], timeout=_LOOK_SECONDS)
            return asking.result() if asking.done() else otherwise
        finally:
            asking.cancel()
