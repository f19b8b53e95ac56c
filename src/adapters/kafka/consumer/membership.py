"""The edges of a consumer's membership in its group: rebalances, and the end."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from adapters.kafka.consumer.assignor import AssignorName, assignor_for

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


class GroupListener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
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
