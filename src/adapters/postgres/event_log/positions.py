"""What the log says of a member: its group's positions, and whether it counts in the group at all."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.membership import Claim, Membership
from adapters.postgres.sessions.transactions import reading

# Conditioned on owner and epoch: a member that was replaced meanwhile changes nothing.
_ADVANCE = """
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


async def advance(
    engine: AsyncEngine, member: Membership, claims: Sequence[Claim], positions: Sequence[int]
) -> set[int]:
    """Move the group's position in each claim's partition; answer the `partition_id` of those that still stand."""
    ids, epochs = [claim.partition_id for claim in claims], [claim.epoch for claim in claims]
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(_ADVANCE, (member.id, member.group, ids, epochs, positions))
        return set(rows.scalars())


async def lag(engine: AsyncEngine, member: Membership) -> dict[int, int]:
    """Count the records behind the group's position in each partition that `member` holds."""
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(_LAG, (member.id,))
        return {row.partition: row.lag for row in rows}


async def is_alive(engine: AsyncEngine, member: Membership) -> bool:
    """Tell whether the others count `member` in."""
    async with reading(engine) as connection:
        return (await connection.exec_driver_sql(_IS_ALIVE, (member.id,))).first() is not None
