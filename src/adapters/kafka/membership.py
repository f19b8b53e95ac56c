"""The edges of a consumer's membership in its group: rebalances, and the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from adapters.kafka.connection import describe

logger = logging.getLogger(__name__)

_STOP_LIMIT_SECONDS = 5.0


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Calls functions when the group takes partitions back and when it gives them.

    The client waits for the first, and only logs what either of them raises.
    """

    def __init__(self, on_revoked: Callable[[], Awaitable[None]], on_assigned: Callable[[], None]) -> None:
        self._on_revoked = on_revoked
        self._on_assigned = on_assigned

    async def on_partitions_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        await self._on_revoked()

    async def on_partitions_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        self._on_assigned()


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close all connections, within a limit that the client itself does not have."""
    try:
        async with asyncio.timeout(_STOP_LIMIT_SECONDS):
            await consumer.stop()
    except Exception as error:  # noqa: BLE001 - a client that is given up may fail in any way, and nobody else should
        logger.warning("the consumer was not closed in order", extra={"cause": describe(error)})
