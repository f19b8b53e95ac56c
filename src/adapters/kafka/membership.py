"""The edges of a consumer's membership in its group: rebalances, and the end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from adapters.kafka.assignor import AssignorName, assignor_for
from adapters.kafka.connection import describe

logger = logging.getLogger(__name__)

_STOP_LIMIT_SECONDS = 2.5
_ABANDON_LIMIT_SECONDS = 0.5
_FETCH_BYTES = 1536 * 1024
"""Of one partition at a time: three full batches of ordinary events from four partitions."""
_FETCH_WAIT_SECONDS = 0.2
"""How long a broker waits for records: what else it is asked, such as where the log ends, waits behind that."""
_REBALANCE_TIMEOUT_SECONDS = 60.0


def membership_options(group: str, assignor: AssignorName, session_timeout: float) -> dict[str, Any]:
    """Render a consumer's arguments for taking part in a group; `session_timeout` in seconds."""
    return {
        "group_id": group,
        "enable_auto_commit": False,
        # Never skip in silence: where to begin is our own decision.
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "max_partition_fetch_bytes": _FETCH_BYTES,
        "fetch_max_wait_ms": round(_FETCH_WAIT_SECONDS * 1000),
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
    # A task of its own, since the client cancels fetches that wait for another try, and lets that out as if it were
    # its caller who was cancelled.
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping], timeout=_STOP_LIMIT_SECONDS)
    finally:
        cause = _failure(stopping)
        if cause is not None:
            stopping.cancel()
            logger.warning("the consumer was not closed in order", extra={"cause": cause})
            await _abandon(consumer, stopping)


def _failure(stopping: asyncio.Task[None]) -> str | None:
    if not stopping.done():
        return "it takes too long"
    if stopping.cancelled():
        return "it gave up by itself"
    error = stopping.exception()
    return None if error is None else describe(error)


async def _abandon(consumer: AIOKafkaConsumer, stopping: asyncio.Task[None]) -> None:
    """End what a stop cut short leaves behind, heartbeats above all: the client's own second `stop` does nothing."""
    parts = [part for part in (consumer._coordinator, consumer._fetcher) if part is not None]  # noqa: SLF001 - as said
    tasks = [value for part in parts for value in vars(part).values() if isinstance(value, asyncio.Task)]
    if consumer._fetcher is not None:  # noqa: SLF001 - as above
        tasks += consumer._fetcher._pending_tasks  # noqa: SLF001 - as above
    for task in tasks:
        task.cancel()
    closing = asyncio.create_task(consumer._client.close())  # noqa: SLF001 - as above
    await asyncio.wait([closing, stopping, *tasks], timeout=_ABANDON_LIMIT_SECONDS)
