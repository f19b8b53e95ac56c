"""Reads the embedded log as a member of a group."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.listener import listen
from adapters.postgres.event_log.membership import MEMBERS_CHANNEL, Claim, Membership
from adapters.postgres.event_log.positions import advance, is_alive, lag
from adapters.postgres.event_log.reader import Place, read
from adapters.postgres.event_log.retention import trim
from adapters.postgres.event_log.topics import partition_ids
from adapters.postgres.event_log.writer import RECORDS_CHANNEL
from application import stopping
from application.ports import Batch, Custodian, Superseded
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment
from domain.stop import Stop

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
        custodian: Custodian,
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
        self._at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._topic = topic
        self._custodian = custodian
        self._begun: set[Claim] = set()
        """The claims whose partitions the custodian has taken over."""
        self._membership = Membership(engine, topic, group, session=session, hand_over=hand_over)
        self._heartbeat = session / 3
        self._look = look
        self._retention = retention
        self._paused: set[int] = set()
        self._news = asyncio.Event()
        self._beat_due = asyncio.Event()
        self._closing = asyncio.Event()
        self._turn = 0
        self._trouble: Exception | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

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
        await self._custodian.end([claim.partition for claim in self._begun])
        self._begun.clear()
        try:
            await self._membership.leave()
        except (Unavailable, WrongDeployment) as error:
            logger.warning("could not leave the group; peers wait for the session timeout", extra={"cause": str(error)})

    async def poll(self, limit: int, wait: float) -> Batch:
        if not self._tasks:
            await self.open()
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            self._news.clear()
            if self._trouble is not None:
                raise self._trouble
            batch = await self._read(limit)
            left = end - loop.time()
            if batch.records or left <= 0:
                return batch
            await stopping.pause(min(left, self._look), self._news)

    async def commit(self, batch: Batch) -> None:
        claims = _claims(batch)
        if not claims:
            return
        positions = [batch.ends[claim.partition] for claim in claims]
        moved = await advance(self._at_once, self._membership, claims, positions)
        for claim, position in zip(claims, positions, strict=True):
            if claim.partition_id in moved:
                claim.committed = position
            elif self._holds(claim):
                del self._membership.claims[claim.partition]
        self._let_go()
        if len(moved) < len(claims):
            raise Superseded

    def rewind(self, batch: Batch) -> Collection[int]:
        claims = {claim.partition: claim for claim in _claims(batch) if self._holds(claim)}
        rewound = set()
        for record in batch.records:
            claim = claims.get(record.partition)
            # What is committed stays so: a batch may be superseded in some of its partitions alone.
            if claim is not None and record.offset >= claim.committed:
                claim.position = min(claim.position, record.offset)
                rewound.add(record.partition)
        self._let_go()
        self._news.set()
        return rewound

    def owns(self, batch: Batch) -> bool:
        return all(self._holds(claim) for claim in _claims(batch))

    def stopped(self) -> Mapping[int, Stop]:
        # Retention keeps what a group has not read, and any bytes can be read.
        return {}

    def open_transactions(self) -> Mapping[int, int]:
        # Writers of a partition take turns: nothing stands behind what is not committed.
        return {}

    def skip(self, partition: int) -> None:
        del partition

    def pause(self, partitions: Collection[int]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Collection[int]) -> None:
        self._paused.difference_update(partitions)
        self._news.set()

    @property
    def is_throttled(self) -> bool:
        return False

    async def lag(self) -> Mapping[int, int]:
        found = await lag(self._at_once, self._membership)
        return {partition: count for partition, count in found.items() if partition in self._membership.claims}

    async def ping(self) -> None:
        if not await is_alive(self._at_once, self._membership) or self._trouble is not None:
            raise Unavailable(f"event log: this member does not take part in its group: {self._trouble}")

    async def _read(self, limit: int) -> Batch:
        """Read on from where each claim stands, those first whose last turn is longest ago."""
        await self._hand_to_custodian()
        claims = sorted(filter(self._is_readable, self._membership.claims.values()), key=lambda claim: claim.turn)
        places = [Place(claim.partition, claim.partition_id, claim.position) for claim in claims]
        records = await read(self._at_once, self._topic, places, limit)
        # Meanwhile a claim may have been lost, paused or rewound: its records come another time.
        valid = {
            claim.partition: claim
            for claim, place in zip(claims, places, strict=True)
            if self._is_readable(claim) and claim.position == place.position
        }
        self._turn += 1
        used: dict[int, Claim] = {}
        delivered: list[Record] = []
        for record in records:
            if claim := valid.get(record.partition):
                used[record.partition] = claim
                claim.position, claim.turn = record.offset + 1, self._turn
                delivered.append(record)
        return Batch(delivered, tuple(used.values()))

    async def _hand_to_custodian(self) -> None:
        """Tell the custodian which claims are new, and which ones are gone."""
        claims = set(self._membership.claims.values())
        gone, new = self._begun - claims, claims - self._begun
        self._begun -= gone
        if gone:
            await self._custodian.end([claim.partition for claim in gone])
        if new:
            await self._custodian.begin({claim.partition: claim.committed for claim in new})
            self._begun |= new

    def _is_readable(self, claim: Claim) -> bool:
        return (
            claim in self._begun
            and self._holds(claim)
            and claim.leaving_since is None
            and claim.partition not in self._paused
        )

    def _holds(self, claim: Claim) -> bool:
        return self._membership.claims.get(claim.partition) is claim

    def _let_go(self) -> None:
        """Have a partition that another member waits for handed over as soon as nothing of it is in flight."""
        if any(claim.leaving_since is not None and claim.is_idle for claim in self._membership.claims.values()):
            self._beat_due.set()

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


def _claims(batch: Batch) -> Sequence[Claim]:
    """Tell the claims under which the records were read; those of a part of a batch are fewer than the batch's."""
    partitions = batch.partitions
    return [claim for claim in cast("tuple[Claim, ...]", batch.assignment) if claim.partition in partitions]
