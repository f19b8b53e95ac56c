"""What one generation of the group gives to a consumer, and how far it has read there.

The client moves its position when it hands records out, forgets pauses on reassignment and drops records when it
raises. So the read position (the cursor) is kept here, and the client is told where to read on.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition

from adapters.kafka.consumer.fetching import Fetched, Fetching
from adapters.kafka.consumer.open_transactions import OpenTransactions
from adapters.kafka.patches import committed_offsets
from application.ports import Halt, HaltKind, RebalanceListener
from domain.dead_letter import Record
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


class Assignment:
    """The partitions of one consumer in one generation; compared by identity."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, listener: RebalanceListener) -> None:
        self._consumer = consumer
        self._topic = topic
        self._listener = listener
        self.taken_over: set[int] = set()
        """The partitions that the listener has taken over."""
        self._is_over = False
        self._cursor: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self.transactions = OpenTransactions(consumer)
        self.halted: dict[int, Halt] = {}
        """Partitions that cannot be read on."""
        self._skipping: dict[int, Halt] = {}
        """Those of them that are to be read on behind what halted them."""
        self.is_positioned = False
        """Whether the client reads from the cursor."""
        self.is_revoking = False
        self.fetching = Fetching(consumer, self._meet_unreadable)
        self._unreadable: dict[int, int] = {}
        """By partition, the offset of the last record that could not be read alone."""

    @property
    def is_taken_over(self) -> bool:
        """Whether the listener has taken over all partitions."""
        return {tp.partition for tp in self._consumer.assignment()} <= self.taken_over

    async def find_positions(self) -> None:
        """Learn where to begin: at the group's position, or else at the log's beginning."""
        new = [tp for tp in self._consumer.assignment() if tp.partition not in self._cursor]
        positions = await committed_offsets(self._consumer, new)
        positions |= await self._consumer.beginning_offsets([tp for tp in new if tp not in positions])
        for tp, position in positions.items():
            self._cursor[tp.partition] = self._committed[tp.partition] = position
        skipping = list(self._skipping.items())
        gaps = [self._at(partition) for partition, halt in skipping if halt.kind is not HaltKind.UNREADABLE]
        beginnings = await self._consumer.beginning_offsets(gaps)
        for partition, halt in skipping:
            del self._skipping[partition]
            place = beginnings.get(self._at(partition), halt.offset + 1)
            logger.warning("records skipped", extra={"partition": partition, "offset": halt.offset, "behind": place})
            self._cursor[partition] = self._committed[partition] = place

    async def position(self) -> None:
        """Tell the client to read on from the cursor, once the listener has taken over what is new."""
        assigned = self._consumer.assignment()
        new = {partition: start for partition, start in self._committed.items() if partition not in self.taken_over}
        if new:
            await self._hand_over(new)
        if assigned != self._consumer.assignment() or not assigned <= {self._at(each) for each in self.taken_over}:
            return
        for tp in assigned:
            self._consumer.seek(tp, self._cursor[tp.partition])
        # Meanwhile a person may have had something skipped.
        self.is_positioned = not self._skipping

    async def _hand_over(self, new: Mapping[int, int]) -> None:
        try:
            await self._listener.on_assigned(new)
        except Unavailable:
            # The client leaves the group when it is not asked for records for some minutes.
            for tp in self._consumer.assignment():
                self._consumer.seek(tp, self._cursor.get(tp.partition, 0))
                self._consumer.pause(tp)
            await self._consumer.getmany(timeout_ms=0)
            raise
        self.taken_over |= new.keys()
        if self._is_over:
            # Revoked or lost meanwhile, when the listener had not yet got what it has now.
            await self.lose()

    async def revoke(self) -> None:
        """Have the listener finish what is in flight; meanwhile it can be committed, and nothing more is read."""
        self.is_revoking = self._is_over = True
        if self.taken_over:
            await self._listener.on_revoked(self.taken_over)
            self.taken_over = set()

    async def lose(self) -> None:
        """Have the listener drop all partitions: nothing of them can be committed any more."""
        self._is_over = True
        lost, self.taken_over = self.taken_over, set()
        if lost:
            await self._listener.on_lost(lost)

    def skip(self, partition: int) -> None:
        """Read on behind what halted `partition`, next time the client is told where to read."""
        if partition in self.halted:
            self._skipping[partition] = self.halted.pop(partition)
            self.is_positioned = False

    def advance(self, fetched: Fetched) -> Mapping[int, Sequence[Record]]:
        """Move the cursor behind `fetched` and return its records by partition."""
        for tp, records in fetched.items():
            self._cursor[tp.partition] = records[-1].offset + 1
        return {tp.partition: records for tp, records in fetched.items()}

    async def is_behind(self, paused: Collection[int]) -> bool:
        """Tell whether the log has more than the client has read, in a partition that it should be reading."""
        ends = await self._consumer.end_offsets(self._readable(paused))
        positions = {tp: await self._consumer.position(tp) for tp in ends}
        return any(end > positions[tp] for tp, end in ends.items())

    async def commit(self, ends: Mapping[int, int]) -> None:
        """Make `ends` the group's positions, by partition, for "all that was read" may not be stored."""
        await self._consumer.commit(
            {self._at(partition): OffsetAndMetadata(end, "") for partition, end in ends.items()}
        )
        self._committed |= ends

    async def lag(self) -> dict[int, int]:
        """Count the records behind the group's position, by the broker's word on where each partition ends."""
        positions = {partition: await self._reached(partition) for partition in list(self._committed)}
        ends = await self._consumer.end_offsets([self._at(partition) for partition in positions])
        return {tp.partition: max(0, end - positions[tp.partition]) for tp, end in ends.items()}

    async def _reached(self, partition: int) -> int:
        """Tell how far a partition is done with: beyond what is committed there may be what is no record.

        The client passes by the marks of transactions, which take an offset each.
        """
        committed = self._committed[partition]
        if not self.is_positioned or self._cursor[partition] != committed:
            return committed
        position: int = await self._consumer.position(self._at(partition))
        return max(committed, position)

    async def halt_at_gaps(self, partitions: Collection[TopicPartition]) -> None:
        """Halt those of `partitions` whose log no longer reaches the cursor, so that no gap passes unnoticed."""
        # Until it is told where to read on the client tries the group's position, from which the cursor begins as well.
        known = [tp for tp in partitions if tp.partition in self._cursor]
        # Fetches that were under way meet a gap again.
        known = [tp for tp in known if tp.partition not in self.halted and tp.partition not in self._skipping]
        beginnings = await self._consumer.beginning_offsets(known)
        ends = await self._consumer.end_offsets(known)
        for tp in known:
            cursor, beginning, end = self._cursor[tp.partition], beginnings[tp], ends[tp]
            if cursor < beginning:
                lost = beginning - cursor
                self._halt(tp, HaltKind.GAP, f"retention deleted {lost} records before they were read")
            elif cursor > end:
                self._halt(tp, HaltKind.GAP, f"the log ends at {end} already: it was truncated or made anew")

    async def getmany(self, timeout_ms: int, max_records: int, paused: Collection[int]) -> Fetched:
        """Read on in the partitions that are neither halted nor `paused`."""
        if self.is_positioned:
            await self.transactions.look(asyncio.get_running_loop().time())
        readable = self._readable(paused)
        if not readable:
            # Asked all the same: the group takes a member that does not poll for hung.
            self._consumer.pause(*self._consumer.assignment())
            nothing: Fetched = await self._consumer.getmany(timeout_ms=timeout_ms)
            return nothing
        # Those that are not asked for keep what was fetched of them, which the client drops when they are paused.
        self._consumer.resume(*self._consumer.paused())
        return await self.fetching.getmany(readable, timeout_ms, max_records)

    def _readable(self, paused: Collection[int]) -> Sequence[TopicPartition]:
        """Name what may be read: neither paused nor halted."""
        return [
            tp for tp in self._consumer.assignment() if tp.partition not in paused and tp.partition not in self.halted
        ]

    def _halt(self, tp: TopicPartition, kind: HaltKind, reason: str) -> None:
        halt = Halt(kind, self._cursor[tp.partition], reason)
        self.halted[tp.partition] = halt
        logger.error("partition halted", extra={"partition": tp.partition, **halt._asdict()})

    def _meet_unreadable(self, tp: TopicPartition, error: Exception) -> None:
        """Halt `tp` if its next record cannot be read alone, twice: the first time its answer may be damaged."""
        self.is_positioned = False
        offset = self._cursor[tp.partition]
        if self._unreadable.get(tp.partition) != offset:
            self._unreadable[tp.partition] = offset
            return
        self._halt(tp, HaltKind.UNREADABLE, f"the record cannot be read: {error!r}")
        self.fetching.single_fetches = 0

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
