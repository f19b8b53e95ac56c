"""Reads the embedded log as a member of a group."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.listener import listen
from adapters.postgres.event_log.membership import MEMBERS_CHANNEL, Membership
from adapters.postgres.event_log.rebalances import Rebalances
from adapters.postgres.event_log.record_reader import Place, read
from adapters.postgres.event_log.record_writer import RECORDS_CHANNEL
from adapters.postgres.event_log.retention import trim
from adapters.postgres.event_log.topics import partition_ids
from application import stopping
from application.ports import Halt, RebalanceListener, StaleGeneration
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_TRIM_SECONDS = 60.0


class PostgresEventSource:
    """`EventSource` over a topic of the embedded log; takes part in its group from `open` to `close`.

    Keeps one of the engine's connections for itself while open.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        topic: str,
        group: str,
        *,
        session: float = 10.0,
        hand_over: float = 5.0,
        look: float = 1.0,
        retention: float | None = None,
    ) -> None:
        """Times are in seconds; for `session` and `hand_over` see `Membership`.

        `look`: how often to look for records by itself, should notices not get through. `retention`: from what age
        on records of this topic are deleted once every group has committed them.
        """
        self._engine = engine
        self._topic = topic
        self._membership = Membership(engine, topic, group, session=session, hand_over=hand_over)
        self._heartbeat = session / 3
        self._look = look
        self._retention = retention
        self._news = asyncio.Event()
        self._beat_due = asyncio.Event()
        self._rebalances = Rebalances(self._membership, self._beat_due.set)
        self._closing = asyncio.Event()
        self._turn = 0
        self._trouble: Exception | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def subscribe(self, listener: RebalanceListener) -> None:
        self._rebalances.listener = listener

    async def open(self) -> None:
        """Join the group; returns once this member counts in it. The partitions of others may follow later."""
        await partition_ids(self._engine, self._topic)
        await self._membership.beat()
        channels = {RECORDS_CHANNEL: self._news.set, MEMBERS_CHANNEL: self._beat_due.set}
        self._listening = asyncio.create_task(listen(self._engine, self._topic, channels))
        self._tasks = [asyncio.create_task(self._take_part())]
        if self._retention is not None:
            self._tasks.append(asyncio.create_task(self._forget(self._retention)))

    async def close(self) -> None:
        """Leave the group; its partitions go to the members that stay."""
        if not self._tasks:
            return
        await self._stop()
        await self._rebalances.close()
        try:
            await self._membership.leave()
        except (Unavailable, WrongDeployment) as error:
            logger.warning("could not leave the group; peers wait for the session timeout", extra={"cause": str(error)})

    async def poll(self, limit: int, wait: float, *, paused: Collection[int] = ()) -> Mapping[int, Sequence[Record]]:
        if not self._tasks:
            await self.open()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            self._news.clear()
            if self._trouble is not None:
                raise self._trouble
            polled = await self._read(limit, paused)
            left = end - loop.time()
            if polled or left <= 0:
                return polled
            await stopping.pause(min(left, self._look), self._news)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        held = self._rebalances.taken_over()
        positions = {held[partition]: offset for partition, offset in offsets.items() if partition in held}
        if await self._membership.commit(positions) < len(offsets):
            # The next poll tells the listener which claims are gone.
            self._news.set()
            raise StaleGeneration

    def halted(self) -> Mapping[int, Halt]:
        # Retention keeps what a group has not read, and any bytes can be read.
        return {}

    def open_transactions(self) -> Mapping[int, int]:
        # Writers of a partition take turns: nothing stands behind what is not committed.
        return {}

    def skip(self, partition: int) -> None:
        del partition

    @property
    def is_throttled(self) -> bool:
        return False

    async def lag(self) -> Mapping[int, int]:
        return await self._membership.lag()

    async def ping(self) -> None:
        if not await self._membership.is_alive() or self._trouble is not None:
            raise Unavailable(f"event log: this member does not take part in its group: {self._trouble}")

    async def _read(self, limit: int, paused: Collection[int]) -> Mapping[int, Sequence[Record]]:
        """Read on from the position of each claim, those first whose last turn is longest ago."""
        await self._rebalances.update()
        claims = sorted(self._rebalances.readable().values(), key=lambda claim: claim.turn)
        places = [
            Place(claim.partition, claim.partition_id, claim.position)
            for claim in claims
            if claim.partition not in paused
        ]
        records = await read(self._engine, self._topic, places, limit)
        # Meanwhile a claim may have been lost: its new owner reads these records.
        readable = self._rebalances.readable()
        self._turn += 1
        polled: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            if claim := readable.get(record.partition):
                claim.position, claim.turn = record.offset + 1, self._turn
                polled[record.partition].append(record)
        return polled

    async def _take_part(self) -> None:
        """Keep the heart beating until closed."""
        while not self._closing.is_set():
            self._beat_due.clear()
            try:
                await self._membership.beat()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next poll tells it
                self._trouble = error
                pause = min(self._heartbeat, _PAUSE_SECONDS)
            else:
                self._trouble = None
                self._rebalances.revoke_what_is_leaving()
                pause = min(self._heartbeat, self._membership.until_overdue())
            self._news.set()
            await stopping.pause(pause, self._beat_due)

    async def _forget(self, older_than: float) -> None:
        """Delete old records of the partitions that this member holds, now and then until closed."""
        while not self._closing.is_set():
            ids = [claim.partition_id for claim in self._membership.claims.values()]
            try:
                await trim(self._engine, ids, older_than)
            except Exception as error:  # noqa: BLE001 - whatever it is, old records may stand a while longer
                logger.warning("old records are not deleted at present", extra={"cause": str(error)})
            await stopping.pause(_TRIM_SECONDS, self._closing)

    async def _stop(self) -> None:
        self._closing.set()
        self._beat_due.set()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        # Not cancelled: they may be in the middle of a transaction.
        await asyncio.gather(*self._tasks)
