"""Read a topic as a member of a consumer group.

The client moves its position when it hands records out, forgets pauses on reassignment, swallows errors of its
callbacks and drops records when it raises. So the read position (the cursor) is ours: after each reassignment and each
error the client is told where to read on, and offsets are committed by partition, never as "all that was read".
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from adapters import wire
from adapters.kafka.assignor import AssignorName, assignor_for
from adapters.kafka.connection import Brokers, describe, translated
from application.ports import Batch, Delivery, Superseded
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_CALL_LIMIT_SECONDS = 15.0
_STOP_LIMIT_SECONDS = 5.0
_REVOKE_LIMIT_SECONDS = 20.0
"""How long a rebalance waits for the batches in flight; below the rebalance timeout."""
_REBALANCE_TIMEOUT_SECONDS = 60.0
_PATIENCE_SECONDS = 1.0
_ERRORS_BEFORE_REBUILD = 3
_NOTHING = Batch((), None)


class Assignment:
    """The partitions that one generation of the group gives to us; compared by identity."""

    def __init__(self) -> None:
        self.cursor: dict[int, int] = {}
        """The offset to read next, by partition."""
        self.committed: dict[int, int] = {}
        """The group's position, by partition."""
        self.stopped: dict[int, str] = {}
        """Partitions that must not be read on, each with the reason."""
        self.is_positioned = False
        """Whether the client reads from the cursor."""
        self.is_revoking = False


class KafkaEventSource:
    """`EventSource` over one topic; joins the group on the first poll and again whenever it lost its way."""

    def __init__(
        self, brokers: Brokers, *, topic: str, group: str, assignor: AssignorName, session_timeout: float
    ) -> None:
        """`session_timeout` in seconds: how long a silent member keeps its partitions."""
        self._brokers = brokers
        self._topic = topic
        self._options: dict[str, Any] = {
            "group_id": group,
            "enable_auto_commit": False,
            # Never skip in silence: where to begin is decided below.
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "partition_assignment_strategy": [assignor_for(assignor)],
            "session_timeout_ms": round(session_timeout * 1000),
            "heartbeat_interval_ms": round(session_timeout * 100),
            "rebalance_timeout_ms": round(_REBALANCE_TIMEOUT_SECONDS * 1000),
        }
        self._consumer: AIOKafkaConsumer | None = None
        self._assignment: Assignment | None = None
        self._paused: set[int] = set()
        self._in_flight: set[Batch] = set()
        self._landed = asyncio.Event()
        """Set while no batch is in flight."""
        self._landed.set()
        self._errors = 0

    async def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._in_flight.clear()
        self._landed.set()
        await self._disconnect()

    async def poll(self, limit: int, wait: float) -> Batch:
        with translated():
            try:
                batch = await self._poll(limit, wait)
            except NoOffsetForPartitionError:
                # The client looked for a committed offset before it was told where to begin.
                self._lose_position()
                return _NOTHING
            except OffsetOutOfRangeError as error:
                self._lose_position()
                await self._stop_at_gaps(error.args[0])
                return _NOTHING
            except (KafkaError, OSError, TimeoutError):
                self._lose_position()
                self._errors += 1
                if self._errors >= _ERRORS_BEFORE_REBUILD:
                    await self._disconnect()
                raise
        self._errors = 0
        return batch

    async def commit(self, batch: Batch) -> None:
        consumer, assignment = self._consumer, self._assignment
        if consumer is None or assignment is None or batch.assignment is not assignment:
            self._land(batch)
            raise Superseded
        ends = {record.partition: record.offset + 1 for record, _content in batch.deliveries}
        with translated():
            try:
                async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                    await consumer.commit(
                        {self._at(partition): OffsetAndMetadata(end, "") for partition, end in ends.items()}
                    )
            except (CommitFailedError, IllegalStateError) as error:
                # The group moved on without us. Until it tells us our new share, whatever we hold begins anew.
                self._assignment = Assignment()
                self._land(batch)
                raise Superseded from error
        assignment.committed |= ends
        self._land(batch)

    def rewind(self, batch: Batch) -> None:
        self._land(batch)
        if batch.assignment is not self._assignment or self._assignment is None:
            return
        for record, _content in reversed(batch.deliveries):
            self._assignment.cursor[record.partition] = record.offset
        self._lose_position()

    def owns(self, batch: Batch) -> bool:
        assignment = self._assignment
        return assignment is not None and batch.assignment is assignment and not assignment.is_revoking

    def stopped(self) -> Mapping[int, str]:
        return {} if self._assignment is None else dict(self._assignment.stopped)

    def pause(self, partitions: Collection[int]) -> None:
        self._paused.update(partitions)
        self._apply_pauses()

    def resume(self, partitions: Collection[int]) -> None:
        self._paused.difference_update(partitions)
        self._apply_pauses()

    async def lag(self) -> Mapping[int, int]:
        consumer, assignment = self._consumer, self._assignment
        if consumer is None or assignment is None:
            return {}
        positions = dict(assignment.committed)
        with translated():
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                ends = await consumer.end_offsets([self._at(partition) for partition in positions])
        return {tp.partition: max(0, end - positions[tp.partition]) for tp, end in ends.items()}

    async def ping(self) -> None:
        if self._assignment is None:
            raise Unavailable("kafka: not a member of the group at present")
        await self.lag()

    async def _poll(self, limit: int, wait: float) -> Batch:
        consumer = self._consumer or await self._connect()
        if self._assignment is not None and not self._assignment.is_positioned:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                await self._position(consumer, self._assignment)
        try:
            # The client waits for a rebalance without limit; the pipeline has other things to watch.
            async with asyncio.timeout(wait + _PATIENCE_SECONDS):
                fetched = await consumer.getmany(timeout_ms=round(wait * 1000), max_records=limit)
        except TimeoutError:
            self._lose_position()
            return _NOTHING
        if not fetched:
            return _NOTHING
        assignment = self._assignment
        if assignment is None or not assignment.is_positioned or assignment.is_revoking:
            # Read for nobody: the share changed meanwhile.
            self._lose_position()
            return _NOTHING
        for tp, records in fetched.items():
            assignment.cursor[tp.partition] = records[-1].offset + 1
        batch = Batch(
            [Delivery(record, wire.decode(record)) for records in fetched.values() for record in records], assignment
        )
        self._in_flight.add(batch)
        self._landed.clear()
        return batch

    async def _connect(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(**self._brokers.options(), **self._options)
        try:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                await consumer.start()
        except BaseException:
            await _stop(consumer)
            raise
        consumer.subscribe([self._topic], listener=_Listener(self, consumer))
        self._consumer = consumer
        return consumer

    async def _disconnect(self) -> None:
        consumer, self._consumer, self._assignment, self._errors = self._consumer, None, None, 0
        if consumer is not None:
            await _stop(consumer)

    async def _position(self, consumer: AIOKafkaConsumer, assignment: Assignment) -> None:
        """Tell the client where to read on: at the cursor, at first the group's position, or else the very beginning."""
        assigned = consumer.assignment()
        for tp in assigned:
            if tp.partition not in assignment.cursor:
                start = await consumer.committed(tp)
                if start is None:
                    start = (await consumer.beginning_offsets([tp]))[tp]
                assignment.cursor[tp.partition] = assignment.committed[tp.partition] = start
        if assignment is not self._assignment or assigned != consumer.assignment():
            return
        for tp in assigned:
            consumer.seek(tp, assignment.cursor[tp.partition])
        assignment.is_positioned = True
        self._apply_pauses()

    def _lose_position(self) -> None:
        if self._assignment is not None:
            self._assignment.is_positioned = False

    async def _stop_at_gaps(self, partitions: Collection[TopicPartition]) -> None:
        """Stop the partitions whose cursor the log does not reach any more: what is missing must not pass unnoticed."""
        consumer, assignment = self._consumer, self._assignment
        if consumer is None or assignment is None:
            return
        async with asyncio.timeout(_CALL_LIMIT_SECONDS):
            beginnings = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
        for tp in partitions:
            cursor, beginning, end = assignment.cursor[tp.partition], beginnings[tp], ends[tp]
            if cursor < beginning:
                reason = f"retention deleted {beginning - cursor} records (from offset {cursor} on) before they were read"
            elif cursor > end:
                reason = f"the position {cursor} lies beyond the log's end {end}: it was truncated or made anew"
            else:
                continue
            assignment.stopped[tp.partition] = reason
            logger.error("partition stopped", extra={"topic": tp.topic, "partition": tp.partition, "reason": reason})

    def _apply_pauses(self) -> None:
        consumer, assignment = self._consumer, self._assignment
        if consumer is None or assignment is None:
            return
        for tp in consumer.assignment():
            if tp.partition in self._paused or tp.partition in assignment.stopped:
                consumer.pause(tp)
            else:
                consumer.resume(tp)

    def _land(self, batch: Batch) -> None:
        self._in_flight.discard(batch)
        if not self._in_flight:
            self._landed.set()

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    async def on_revoked(self, consumer: AIOKafkaConsumer) -> None:
        """Let the batches in flight land before the group shares anew."""
        assignment = self._assignment
        if consumer is not self._consumer or assignment is None:
            return
        assignment.is_revoking = True
        try:
            async with asyncio.timeout(_REVOKE_LIMIT_SECONDS):
                await self._landed.wait()
        except TimeoutError:
            logger.warning("a rebalance did not wait any longer for the batch in flight")
        if self._assignment is assignment:
            self._assignment = None

    def on_assigned(self, consumer: AIOKafkaConsumer) -> None:
        """Begin anew with what the group gives us."""
        if consumer is self._consumer:
            self._assignment = Assignment()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Tells the source of one consumer's rebalances; the source has no ear for a consumer it has given up."""

    def __init__(self, source: KafkaEventSource, consumer: AIOKafkaConsumer) -> None:
        self._source = source
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._source.on_revoked(self._consumer)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._source.on_assigned(self._consumer)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    try:
        async with asyncio.timeout(_STOP_LIMIT_SECONDS):
            await consumer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        logger.warning("the consumer was not closed in order", extra={"cause": describe(error)})
