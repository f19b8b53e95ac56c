"""Read a topic as a member of a consumer group."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.consumer.assignment import Assignment, is_unreadable
from adapters.kafka.consumer.assignor import AssignorName
from adapters.kafka.consumer.membership import GroupListener, membership_options
from adapters.kafka.patches import stop_consumer, throttled_until
from application.ports import Halt, RebalanceListener, StaleGeneration
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_CALL_LIMIT_SECONDS = 15.0
_PING_LIMIT_SECONDS = 1.5
"""Below that of readiness, which would not know why there is no answer."""
_PATIENCE_SECONDS = 1.0
"""By how much a poll may take longer than asked: the client waits for a rebalance without limit."""
_ERRORS_BEFORE_REBUILD = 3
_SILENCE_SECONDS = 10.0
"""After how long without a record the log is asked whether there should have been one."""
_NOTHING: Mapping[int, Sequence[Record]] = {}
_NO_MEMBER = "kafka: not a member of the group at present"


class KafkaEventSource:
    """`EventSource` over one topic; joins the group on the first poll and again whenever it lost its way."""

    def __init__(
        self,
        brokers: Brokers,
        *,
        topic: str,
        group: str,
        assignor: AssignorName,
        session_timeout: float,
    ) -> None:
        """`session_timeout` in seconds: how long a silent member keeps its partitions."""
        self._brokers = brokers
        self._listener: RebalanceListener | None = None
        self._topic = topic
        self._options = membership_options(group, assignor, session_timeout)
        self._consumer: AIOKafkaConsumer | None = None
        self._assignment: Assignment | None = None
        self._errors = 0
        self._trouble = _NO_MEMBER
        """Why this is no member of the group, where it is none."""
        self._heard_at = 0.0
        """When a record last came, or the log last had none, by the loop's clock."""

    def subscribe(self, listener: RebalanceListener) -> None:
        self._listener = listener

    async def close(self) -> None:
        """Leave the group, so that others take over at once."""
        if self._assignment is not None:
            await self._assignment.revoke()
        await self._disconnect()

    async def poll(self, limit: int, wait: float, *, paused: Collection[int] = ()) -> Mapping[int, Sequence[Record]]:
        with translated():
            try:
                polled = await self._poll(limit, wait, paused)
            except NoOffsetForPartitionError:
                # The client looked for a committed offset before it was told where to begin.
                self._lose_position()
                return _NOTHING
            except OffsetOutOfRangeError as error:
                self._lose_position()
                if self._assignment is not None:
                    async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                        await self._assignment.halt_at_gaps(error.args[0])
                return _NOTHING
            except (Unavailable, WrongDeployment):
                # The listener raised it: the client is not to blame.
                raise
            except Exception as error:
                self._lose_position()
                if is_unreadable(error) and self._assignment is not None:
                    self._assignment.doubt(error, limit, asyncio.get_running_loop().time())
                    return _NOTHING
                self._errors += 1
                self._trouble = describe(error)
                is_expected = isinstance(error, KafkaError | OSError | TimeoutError)
                if self._errors >= _ERRORS_BEFORE_REBUILD or not is_expected:
                    await self._disconnect()
                if is_expected:
                    raise
                logger.exception("the client failed unexpectedly: it is made anew")
                raise Unavailable(describe(error)) from error
        self._errors = 0
        return polled

    async def commit(self, offsets: Mapping[int, int]) -> None:
        assignment = self._assignment
        if assignment is None or not offsets.keys() <= assignment.taken_over:
            raise StaleGeneration
        with translated():
            try:
                async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                    await assignment.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                # The group moved on without us. Until it gives us our new share, what we had begins anew.
                if self._assignment is assignment and self._consumer is not None:
                    # In a revocation the group is about to do that.
                    self._assign(None if assignment.is_revoking else self._new_assignment(self._consumer))
                    await assignment.lose()
                raise StaleGeneration from error

    def halted(self) -> Mapping[int, Halt]:
        return {} if self._assignment is None else dict(self._assignment.halted)

    def open_transactions(self) -> Mapping[int, int]:
        return {} if self._assignment is None else self._assignment.transactions.waiting

    def skip(self, partition: int) -> None:
        if self._assignment is not None:
            self._assignment.skip(partition)

    async def lag(self) -> Mapping[int, int]:
        if self._assignment is None:
            return {}
        with translated():
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                return await self._assignment.lag()

    @property
    def is_throttled(self) -> bool:
        return self._throttled_until > asyncio.get_running_loop().time()

    async def ping(self) -> None:
        if self._consumer is None or self._assignment is None:
            raise Unavailable(self._trouble)
        if not self._assignment.is_taken_over:
            raise Unavailable("kafka: the partitions are not taken over yet")
        if not self._consumer.partitions_for_topic(self._topic):
            raise Unavailable(f"kafka: there is no topic {self._topic}")
        with translated():
            async with asyncio.timeout(_PING_LIMIT_SECONDS):
                await self._assignment.lag()

    @property
    def _throttled_until(self) -> float:
        return float("-inf") if self._consumer is None else throttled_until(self._consumer)

    async def _poll(self, limit: int, wait: float, paused: Collection[int]) -> Mapping[int, Sequence[Record]]:
        consumer = self._consumer or await self._connect()
        if self._assignment is not None and not self._assignment.is_positioned:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                await self._assignment.find_positions()
            await self._assignment.position()
        try:
            async with asyncio.timeout(wait + _PATIENCE_SECONDS):
                if self._assignment is not None and self._assignment.is_positioned:
                    await self._assignment.transactions.look(asyncio.get_running_loop().time())
                timeout_ms = round(wait * 1000)
                if self._assignment is None:
                    # Asked all the same: the client reports its troubles nowhere else.
                    fetched = await consumer.getmany(timeout_ms=timeout_ms, max_records=limit)
                else:
                    fetched = await self._assignment.getmany(timeout_ms, limit, paused)
        except TimeoutError:
            self._lose_position()
            return _NOTHING
        if not fetched:
            await self._mind_silence(paused)
            return _NOTHING
        self._heard_at = asyncio.get_running_loop().time()
        assignment = self._assignment
        if assignment is None or not assignment.is_positioned or assignment.is_revoking:
            # Read for nobody: the share changed meanwhile.
            self._lose_position()
            return _NOTHING
        return assignment.advance(fetched)

    async def _mind_silence(self, paused: Collection[int]) -> None:
        """Make the consumer anew when it is silent although there is something to read.

        Its background task for fetching may have ended on an error of its own, while heartbeats go on. While a quota
        throttles it, silence says nothing.
        """
        now = asyncio.get_running_loop().time()
        assignment = self._assignment
        if assignment is None or not assignment.is_positioned or self.is_throttled:
            return
        if now - max(self._heard_at, self._throttled_until) < _SILENCE_SECONDS:
            return
        self._heard_at = now
        async with asyncio.timeout(_CALL_LIMIT_SECONDS):
            is_behind = await assignment.is_behind(paused)
        if is_behind:
            logger.error("the consumer is silent although there are records to read: it is made anew")
            await self._disconnect()

    async def _connect(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(**self._brokers.options(), **self._options)
        try:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                await consumer.start()
        except BaseException:
            await stop_consumer(consumer)
            raise
        consumer.subscribe(
            [self._topic], listener=GroupListener(partial(self._revoke, consumer), partial(self._begin, consumer))
        )
        self._consumer = consumer
        return consumer

    async def _disconnect(self) -> None:
        consumer, self._consumer, self._errors = self._consumer, None, 0
        assignment = self._assignment
        self._assign(None)
        if assignment is not None:
            await assignment.lose()
        if consumer is not None:
            await stop_consumer(consumer)

    def _lose_position(self) -> None:
        if self._assignment is not None:
            self._assignment.is_positioned = False

    def _assign(self, assignment: Assignment | None) -> None:
        """Begin anew: whatever is in flight was read under another assignment."""
        self._assignment = assignment
        self._heard_at = asyncio.get_running_loop().time()

    async def _revoke(self, consumer: AIOKafkaConsumer) -> None:
        """Let the batches in flight be committed before the group shares anew."""
        assignment = self._assignment
        if consumer is self._consumer and assignment is not None:
            await assignment.revoke()
            if self._assignment is assignment:
                self._assign(None)

    def _begin(self, consumer: AIOKafkaConsumer) -> None:
        """Begin anew with what the group gives us; there is no ear for a consumer that was given up."""
        if consumer is self._consumer:
            self._trouble = _NO_MEMBER
            self._assign(self._new_assignment(consumer))

    def _new_assignment(self, consumer: AIOKafkaConsumer) -> Assignment:
        assert self._listener is not None
        return Assignment(consumer, self._topic, self._listener)
