"""The edges of a consumer's membership in its group: rebalances, and the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from adapters.kafka.assignor import AssignorName, assignor_for
from adapters.kafka.connection import describe

logger = logging.getLogger(__name__)

_STOP_LIMIT_SECONDS = 3.0
_REBALANCE_TIMEOUT_SECONDS = 60.0


def membership_options(group: str, assignor: AssignorName, session_timeout: float) -> dict[str, Any]:
    """Render a consumer's arguments for taking part in a group; `session_timeout` in seconds."""
    return {
        "group_id": group,
        "enable_auto_commit": False,
        # Never skip in silence: where to begin is our own decision.
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "partition_assignment_strategy": [assignor_for(assignor)],
        "session_timeout_ms": round(session_timeout * 1000),
        "heartbeat_interval_ms": round(session_timeout * 100),
        "rebalance_timeout_ms": round(_REBALANCE_TIMEOUT_SECONDS * 1000),
    }


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
