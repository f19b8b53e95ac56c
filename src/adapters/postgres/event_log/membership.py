"""Taking part in a group of the embedded log: a heartbeat, an even share of the partitions, and their positions."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.event_log.claim import Claim, give_way
from adapters.postgres.sessions.transactions import begin, reading

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
# What it has claimed is free from then on.
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
_NOTIFY = "SELECT pg_notify($1, $2)"
# Conditioned on owner and epoch: a member that was replaced meanwhile changes nothing.
_COMMIT = """
UPDATE log_claims AS claim SET position = given.position
FROM unnest($3::int[], $4::bigint[], $5::bigint[]) AS given (id, epoch, position)
WHERE claim.owner = $1 AND claim.group_name = $2 AND claim.partition_id = given.id AND claim.epoch = given.epoch
RETURNING claim.partition_id
"""
_LAG = """
SELECT head.partition, head.next_offset - greatest(claim.position, head.first_offset) AS lag
FROM log_claims AS claim JOIN log_partitions AS head ON head.id = claim.partition_id
WHERE claim.owner = $1
"""
_IS_ALIVE = "SELECT id FROM log_members WHERE id = $1 AND expires_at > clock_timestamp()"


class Membership:
    """What this member holds: `claims`, by partition. Times are in seconds."""

    def __init__(self, engine: AsyncEngine, topic: str, group: str, *, session: float, hand_over: float) -> None:
        """`session`: how long without a heartbeat until the others take over.

        `hand_over`: how long a batch in flight may keep a partition that is another member's due.
        """
        self.claims: dict[int, Claim] = {}
        self._id = uuid4()
        self._engine = engine
        self._at_once = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._topic = topic
        self._group = group
        self._session = session
        self._hand_over = hand_over

    async def beat(self) -> None:
        """Give a sign of life, and claim or release partitions until this member has its share."""
        async with begin(self._engine) as connection:
            await connection.exec_driver_sql(_ALONE, (self._topic, self._group))
            await connection.exec_driver_sql(_EXPIRE, (self._topic, self._group))
            beat = await connection.exec_driver_sql(_BEAT, (self._id, self._topic, self._group, self._session))
            joined = beat.scalar_one()
            if joined:
                await connection.exec_driver_sql(_OPEN_GROUP, (self._topic, self._group))
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
            await connection.exec_driver_sql(_ALONE, (self._topic, self._group))
            await connection.exec_driver_sql(_LEAVE, (self._id,))
            await connection.exec_driver_sql(_NOTIFY, (MEMBERS_CHANNEL, self._topic))

    def holds(self, claim: Claim) -> bool:
        """Tell whether `claim` is still this member's."""
        return self.claims.get(claim.partition) is claim

    async def commit(self, positions: Mapping[Claim, int]) -> int:
        """Move the group's position in each claim's partition; count those that are moved, and drop the others."""
        if not positions:
            return 0
        ids, epochs = [claim.partition_id for claim in positions], [claim.epoch for claim in positions]
        parameters = (self._id, self._group, ids, epochs, list(positions.values()))
        async with reading(self._at_once) as connection:
            moved = set((await connection.exec_driver_sql(_COMMIT, parameters)).scalars())
        for claim, position in positions.items():
            if claim.partition_id in moved:
                claim.committed = position
            elif self.holds(claim):
                del self.claims[claim.partition]
        return len(moved)

    async def lag(self) -> dict[int, int]:
        """Count the records behind the group's position in each partition that this member holds."""
        async with reading(self._at_once) as connection:
            rows = await connection.exec_driver_sql(_LAG, (self._id,))
            return {row.partition: row.lag for row in rows if row.partition in self.claims}

    async def is_alive(self) -> bool:
        """Tell whether the others count this member in."""
        async with reading(self._at_once) as connection:
            return (await connection.exec_driver_sql(_IS_ALIVE, (self._id,))).first() is not None

    def until_overdue(self) -> float:
        """Tell in how many seconds a partition has to be handed over although it is in use."""
        since = [claim.leaving_since for claim in self.claims.values() if claim.leaving_since is not None]
        now = asyncio.get_running_loop().time()
        return max(0.0, min(since) + self._hand_over - now) if since else math.inf

    async def _rows(self, connection: AsyncConnection) -> Sequence[Row[Any]]:
        return (await connection.exec_driver_sql(_CLAIMS, (self._topic, self._group, self._id))).all()

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
        rank = (await connection.exec_driver_sql(_RANK, (self._id, self._topic, self._group))).one()
        surplus = len(self.claims) - (len(rows) // rank.members + (rank.rank < len(rows) % rank.members))
        free = [row.id for row in rows if row.free][: max(-surplus, 0)]
        if free:
            await connection.exec_driver_sql(_CLAIM, (self._id, self._group, free))
        released = give_way(self.claims.values(), max(surplus, 0), asyncio.get_running_loop().time(), self._hand_over)
        for claim in released:
            # Before the database knows: nothing of it may be delivered any more.
            del self.claims[claim.partition]
        if released:
            ids = [claim.partition_id for claim in released]
            await connection.exec_driver_sql(_RELEASE, (self._id, self._group, ids))
        return bool(released)
