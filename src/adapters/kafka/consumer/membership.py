"""One client as a member of the group: what it is assigned, and whether it still reads."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from adapters.kafka.consumer.assignment import Assignment
from adapters.kafka.consumer.assignor import AssignorName, assignor_for
from adapters.kafka.patches import stop_consumer, throttled_until
from application.ports import RebalanceListener

CALL_LIMIT_SECONDS = 15.0
_FETCH_BYTES = 1536 * 1024
"""Of one partition at a time: three full batches of ordinary events from four partitions."""
_FETCH_WAIT_SECONDS = 0.2
"""How long a broker waits for records: what else it is asked, such as where the log ends, waits behind that."""
_REBALANCE_TIMEOUT_SECONDS = 60.0
_SILENCE_SECONDS = 10.0
"""After how long without a record the log is asked whether there should have been one."""


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


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """A client from its joining to its leaving; the group's callbacks change its assignment."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, listener: RebalanceListener) -> None:
        self.consumer = consumer
        self.assignment: Assignment | None = None
        """None while the group shares its partitions anew."""
        self._topic = topic
        self._listener = listener
        self._heard_at = 0.0
        """When a record last came, or the log last had none, by the loop's clock."""

    async def join(self) -> None:
        """Connect, and join the group in the background. Raises the client's errors."""
        try:
            async with asyncio.timeout(CALL_LIMIT_SECONDS):
                await self.consumer.start()
        except BaseException:
            await stop_consumer(self.consumer)
            raise
        self.consumer.subscribe([self._topic], listener=self)

    async def leave(self) -> None:
        """Drop what is assigned, and close the client. Raises nothing."""
        assignment = self.assignment
        self._assign(None)
        if assignment is not None:
            await assignment.lose()
        await stop_consumer(self.consumer)

    async def renounce(self, assignment: Assignment) -> None:
        """Drop an assignment whose generation is gone; until the group shares anew, its partitions begin anew."""
        if self.assignment is assignment:
            # In a revocation the group is about to assign partitions itself.
            self._assign(None if assignment.is_revoking else self._new_assignment())
            await assignment.lose()

    async def on_partitions_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        """Let the batches in flight be committed before the group shares anew: the client waits for this."""
        assignment = self.assignment
        if assignment is not None:
            await assignment.revoke()
            if self.assignment is assignment:
                self._assign(None)

    async def on_partitions_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        """Begin anew with what the group gives."""
        self._assign(self._new_assignment())

    @property
    def throttled_until(self) -> float:
        """Until when brokers throttle the client, in the event loop's time."""
        return throttled_until(self.consumer)

    def note_records(self) -> None:
        """Remember that records came just now."""
        self._heard_at = asyncio.get_running_loop().time()

    async def is_hung(self, paused: Collection[int]) -> bool:
        """Tell, after a long silence, whether there is something to read in a partition that is not `paused`.

        The client's background task for fetching may have ended on an error of its own, while heartbeats go on. While
        a quota throttles it, silence says nothing.
        """
        now = asyncio.get_running_loop().time()
        assignment = self.assignment
        if assignment is None or not assignment.is_positioned:
            return False
        if now - max(self._heard_at, self.throttled_until) < _SILENCE_SECONDS:
            return False
        self._heard_at = now
        async with asyncio.timeout(CALL_LIMIT_SECONDS):
            return await assignment.is_behind(paused)

    def _assign(self, assignment: Assignment | None) -> None:
        """Begin anew: whatever is in flight was read under another assignment."""
        self.assignment = assignment
        self.note_records()

    def _new_assignment(self) -> Assignment:
        return Assignment(self.consumer, self._topic, self._listener)
