"""One `AIOKafkaProducer` from its start to its stop: idempotent, acks=all."""

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
"""How often to check whether the brokers have begun to throttle this client while it waits for a response."""


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
        self.partitions = PartitionSenders(self._producer, max_record_bytes, in_flight, refused_sizes)
        self.late: set[RecordBatch] = set()
        """Batches that were not acknowledged in time because a quota throttles this client."""
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        """Return the event loop's time, in seconds."""
        return self._loop.time()

    async def start(self, topics: Collection[str]) -> None:
        """Connect, and fetch the metadata of `topics`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                await self._producer.start()
                for topic in topics:
                    await self._producer.partitions_for(topic)

    async def fetch_metadata(self, topic: str, end: float) -> None:
        """Fetch a topic's partitions and their leaders until `end`. Raises `Unavailable`."""
        with translated():
            async with asyncio.timeout_at(end):
                await self._producer.partitions_for(topic)

    @property
    def throttled_until(self) -> float:
        """Until when brokers throttle this client, in the event loop's time."""
        return throttled_until(self._producer)

    async def exists(self, topic: str) -> bool:
        """Ask the brokers whether a topic exists; while they throttle this client, use the last metadata.

        Raises the client's errors.
        """
        client = self._producer.client
        cluster = await self._unless_throttled(client.fetch_all_metadata(), client.cluster)
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
        unacknowledged = await self.partitions.close(limit)
        if unacknowledged:
            logger.warning("giving up records that were not acknowledged", extra={"records": unacknowledged})
        await stop_producer(self._producer, is_flushed=unacknowledged == 0)
        return unacknowledged

    async def _unless_throttled(self, question: Coroutine[Any, Any, Any], otherwise: Any) -> Any:
        """Wait for a response; return `otherwise` if throttling would delay it."""
        asking = asyncio.ensure_future(question)
        try:
            while not asking.done() and self.throttled_until < self.time():
                await asyncio.wait([asking], timeout=_LOOK_SECONDS)
            return asking.result() if asking.done() else otherwise
        finally:
            asking.cancel()
