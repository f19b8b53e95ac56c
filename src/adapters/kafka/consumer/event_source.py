"""Read a topic as a member of a consumer group."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from adapters.kafka.connection import Brokers, describe, translated
from adapters.kafka.consumer.assignment import Assignment
from adapters.kafka.consumer.assignor import AssignorName
from adapters.kafka.consumer.fetching import is_unreadable
from adapters.kafka.consumer.membership import CALL_LIMIT_SECONDS, Membership, membership_options
from application.ports import Halt, RebalanceListener, StaleGeneration
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_PING_LIMIT_SECONDS = 1.5
"""Below that of readiness, which would not know why there is no answer."""
_PATIENCE_SECONDS = 1.0
"""By how much a poll may take longer than asked: the client waits for a rebalance without limit."""
_ERRORS_BEFORE_REBUILD = 3
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
        self._member: Membership | None = None
        self._errors = 0
        self._trouble = _NO_MEMBER
        """Why nothing is assigned, where that is so."""

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
                    async with asyncio.timeout(CALL_LIMIT_SECONDS):
                        await self._assignment.halt_at_gaps(error.args[0])
                return _NOTHING
            except (Unavailable, WrongDeployment):
                # The listener raised it: the client is not to blame.
                raise
            except Exception as error:
                self._lose_position()
                if is_unreadable(error) and self._assignment is not None:
                    self._assignment.fetching.doubt(error, limit, asyncio.get_running_loop().time())
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
        member, assignment = self._member, self._assignment
        if member is None or assignment is None or not offsets.keys() <= assignment.taken_over:
            raise StaleGeneration
        with translated():
            try:
                async with asyncio.timeout(CALL_LIMIT_SECONDS):
                    await assignment.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                await member.renounce(assignment)
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
            async with asyncio.timeout(CALL_LIMIT_SECONDS):
                return await self._assignment.lag()

    @property
    def is_throttled(self) -> bool:
        return self._member is not None and self._member.throttled_until > asyncio.get_running_loop().time()

    async def ping(self) -> None:
        member, assignment = self._member, self._assignment
        if member is None or assignment is None:
            raise Unavailable(self._trouble)
        if not assignment.is_taken_over:
            raise Unavailable("kafka: the partitions are not taken over yet")
        if not member.consumer.partitions_for_topic(self._topic):
            raise Unavailable(f"kafka: there is no topic {self._topic}")
        with translated():
            async with asyncio.timeout(_PING_LIMIT_SECONDS):
                await assignment.lag()

    @property
    def _assignment(self) -> Assignment | None:
        return None if self._member is None else self._member.assignment

    async def _poll(self, limit: int, wait: float, paused: Collection[int]) -> Mapping[int, Sequence[Record]]:
        member = self._member or await self._connect()
        assignment = member.assignment
        if assignment is not None:
            self._trouble = _NO_MEMBER
            if not assignment.is_positioned:
                async with asyncio.timeout(CALL_LIMIT_SECONDS):
                    await assignment.find_positions()
                if assignment is member.assignment:
                    await assignment.position()
        timeout_ms = round(wait * 1000)
        try:
            async with asyncio.timeout(wait + _PATIENCE_SECONDS):
                if member.assignment is None:
                    # Asked all the same: the client reports its troubles nowhere else.
                    fetched = await member.consumer.getmany(timeout_ms=timeout_ms, max_records=limit)
                else:
                    fetched = await member.assignment.getmany(timeout_ms, limit, paused)
        except TimeoutError:
            self._lose_position()
            return _NOTHING
        if not fetched:
            if await member.is_hung(paused):
                logger.error("the consumer is silent although there are records to read: it is made anew")
                await self._disconnect()
            return _NOTHING
        member.note_records()
        assignment = member.assignment
        if assignment is None or not assignment.is_positioned or assignment.is_revoking:
            # Read for nobody: the share changed meanwhile.
            self._lose_position()
            return _NOTHING
        return assignment.advance(fetched)

    async def _connect(self) -> Membership:
        assert self._listener is not None
        member = Membership(AIOKafkaConsumer(**self._brokers.options(), **self._options), self._topic, self._listener)
        await member.join()
        self._member = member
        return member

    async def _disconnect(self) -> None:
        member, self._member, self._errors = self._member, None, 0
        if member is not None:
            await member.leave()

    def _lose_position(self) -> None:
        if self._assignment is not None:
            self._assignment.is_positioned = False
