"""One producer of the Kafka client, from its start to its end: idempotent, acks=all."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from adapters.in_flight import InFlight
from adapters.kafka.broken_connections import throttled_until
from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.pending import Pending
from adapters.kafka.record_batches import RecordBatches
from adapters.kafka.topic_rights import TopicRights

logger = logging.getLogger(__name__)

_START_LIMIT_SECONDS = 15.0
_ABANDON_LIMIT_SECONDS = 2.0
_LOOK_SECONDS = 0.2
"""How often to look whether an answer will be late since this client is throttled."""


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
        self.late: set[Pending] = set()
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

    @property
    def throttled_until(self) -> float:
        """Until when a quota keeps brokers from listening to this client, by the same clock."""
        return throttled_until(self._producer.client)

    async def knows(self, topic: str) -> bool:
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

    async def _unless_throttled(self, question: Coroutine[Any, Any, Any], otherwise: Any) -> Any:
        """Wait for an answer, or do without it while brokers throttle this client, which keeps it waiting."""
        asking = asyncio.ensure_future(question)
        try:
            while not asking.done() and self.throttled_until < self.time():
                await asyncio.wait([asking], timeout=_LOOK_SECONDS)
            return asking.result() if asking.done() else otherwise
        finally:
            asking.cancel()

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
