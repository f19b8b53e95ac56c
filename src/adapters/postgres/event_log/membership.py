"""Taking part in a group of the embedded log: a heartbeat, and an even share of the partitions."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.sessions.transactions import begin

MEMBERS_CHANNEL = "event_log_members"

# Members of a group deal with its claims one after the other.
_ALONE = "SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))"
_EXPIRE = "DELETE FROM log_members WHERE topic = $1 AND group_name = $2 AND expires_at <= clock_timestamp()"
# A row that was inserted rather than updated has no xmax: then the others have to make room.
_BEAT = """
INSERT INTO log_members (id, topic, group_name, expires_at)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
RETURNING xmax = 0 AS joined
"""
_LEAVE = "DELETE FROM log_members WHERE id = $1"
_RANK = """
SELECT count(*) AS members, count(*) FILTER (WHERE id < $1) AS rank
FROM log_members WHERE topic = $2 AND group_name = $3
"""
_OPEN_GROUP = """
INSERT INTO log_claims (group_name, partition_id) SELECT $2, id FROM log_partitions WHERE topic = $1
ON CONFLICT (group_name, partition_id) DO NOTHING
"""
_CLAIMS = """
SELECT head.partition, head.id, greatest(claim.position, head.first_offset) AS position, claim.epoch,
       claim.owner = $3 AS own, member.id IS NULL AS free
FROM log_partitions AS head
JOIN log_claims AS claim ON claim.partition_id = head.id AND claim.group_name = $2
LEFT JOIN log_members AS member ON member.id = claim.owner
WHERE head.topic = $1 ORDER BY head.partition
"""
_CLAIM = """
UPDATE log_claims SET owner = $1, epoch = epoch + 1 WHERE group_name = $2 AND partition_id = ANY($3::int[])
"""
_RELEASE = """
UPDATE log_claims SET owner = NULL WHERE owner = $1 AND group_name = $2 AND partition_id = ANY($3::int[])
"""
_RELEASE_ALL = "UPDATE log_claims SET owner = NULL WHERE owner = $1"
_NOTIFY = "SELECT pg_notify($1, $2)"


@dataclass(slots=True, eq=False)
class Claim:
    """One partition that this member holds; once lost and regained it is another claim."""

    partition: int
    partition_id: int
    epoch: int
    committed: int
    position: int
    """The next offset to read; beyond `committed` while records are in flight."""
    turn: int = 0
    """When it was last read from: the least goes first."""
    leaving_since: float | None = None
    """Since when another member waits for it, by the loop's clock."""
    is_in_use: bool = False
    """Whether records of it may be in flight."""

    @property
    def is_idle(self) -> bool:
        return self.position <= self.committed


class Membership:
    """What this member holds: `claims`, by partition. Times are in seconds."""

    def __init__(self, engine: AsyncEngine, topic: str, group: str, *, session: float, hand_over: float) -> None:
        """`session`: how long without a heartbeat until the others take over.

        `hand_over`: how long a batch in flight may keep a partition that is another member's due.
        """
        self.id = uuid4()
        self.claims: dict[int, Claim] = {}
        self._engine = engine
        self._topic = topic
        self.group = group
        self._session = session
        self._hand_over = hand_over

    async def beat(self) -> None:
        """Give a sign of life, and claim or release partitions until this member has its share."""
        async with begin(self._engine) as connection:
            await connection.exec_driver_sql(_ALONE, (self._topic, self.group))
            await connection.exec_driver_sql(_EXPIRE, (self._topic, self.group))
            beat = await connection.exec_driver_sql(_BEAT, (self.id, self._topic, self.group, self._session))
            joined = beat.scalar_one()
            if joined:
                await connection.exec_driver_sql(_OPEN_GROUP, (self._topic, self.group))
            released = await self._share(connection, await self._rows(connection))
            if joined or released:
                await connection.exec_driver_sql(_NOTIFY, (MEMBERS_CHANNEL, self._topic))
            rows = await self._rows(connection)
        # Not before the commit: a new claim's records are this member's only now. Those of a released one ceased to be
        # before, in `_share`: by now another member may read them.
        self._follow(rows)

    async def leave(self) -> None:
        """Give up every claim, for the others to take over at once."""
        self.claims = {}
        async with begin(self._engine) as connection:
            await connection.exec_driver_sql(_ALONE, (self._topic, self.group))
            await connection.exec_driver_sql(_RELEASE_ALL, (self.id,))
            await connection.exec_driver_sql(_LEAVE, (self.id,))
            await connection.exec_driver_sql(_NOTIFY, (MEMBERS_CHANNEL, self._topic))

    def until_overdue(self) -> float:
        """Tell in how many seconds a partition has to be handed over although it is in use."""
        since = [claim.leaving_since for claim in self.claims.values() if claim.leaving_since is not None]
        now = asyncio.get_running_loop().time()
        return max(0.0, min(since) + self._hand_over - now) if since else math.inf

    async def _rows(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        return (await connection.exec_driver_sql(_CLAIMS, (self._topic, self.group, self.id))).all()

    def _follow(self, rows: Sequence[Row[Any]]) -> None:
        """Take up what the database says, which may be the late outcome of an earlier try."""
        standing = self.claims
        self.claims = {}
        for row in rows:
            if row.own:
                claim = standing.get(row.partition)
                if claim is None or claim.epoch != row.epoch:
                    claim = Claim(row.partition, row.id, row.epoch, row.position, row.position)
                # Ahead of us after a commit of unknown outcome, or where retention was at work when the group began.
                claim.committed = max(claim.committed, row.position)
                claim.position = max(claim.position, row.position)
                self.claims[row.partition] = claim

    async def _share(self, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> bool:
        """Claim what is free or release what is too much; tell whether anything was released."""
        # Of earlier transactions, so it stands whatever becomes of this one.
        self._follow(rows)
        rank = (await connection.exec_driver_sql(_RANK, (self.id, self._topic, self.group))).one()
        surplus = len(self.claims) - (len(rows) // rank.members + (rank.rank < len(rows) % rank.members))
        free = [row.id for row in rows if row.free][: max(-surplus, 0)]
        if free:
            await connection.exec_driver_sql(_CLAIM, (self.id, self.group, free))
        released = self._give_way(max(surplus, 0))
        for claim in released:
            # Before the database knows: nothing of it may be delivered any more.
            del self.claims[claim.partition]
        if released:
            ids = [claim.partition_id for claim in released]
            await connection.exec_driver_sql(_RELEASE, (self.id, self.group, ids))
        return bool(released)

    def _give_way(self, surplus: int) -> list[Claim]:
        """Choose `surplus` claims to part with; answer those that nothing holds up any more."""
        now = asyncio.get_running_loop().time()
        ranked = sorted(self.claims.values(), key=lambda claim: (claim.leaving_since is None, not claim.is_idle))
        for place, claim in enumerate(ranked):
            claim.leaving_since = None if place >= surplus else claim.leaving_since or now
        return [
            claim
            for claim in ranked[:surplus]
            if not claim.is_in_use or now - (claim.leaving_since or now) >= self._hand_over
        ]
