"""Forgets old records of the embedded log."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions.transactions import begin

_TRIM_RECORDS = 5_000
# Only the oldest are looked at, so that it costs little when there is nothing to forget.
_TRIM = """
WITH oldest AS (
    SELECT record."offset" FROM log_records AS record JOIN log_partitions AS head ON head.id = record.partition_id
    WHERE head.id = $1 AND record."offset" >= head.first_offset AND record."offset" < head.first_offset + $3
      AND record."offset" < (SELECT min(position) FROM log_claims WHERE partition_id = $1)
), forgotten AS (
    DELETE FROM log_records AS record USING oldest
    WHERE record.partition_id = $1 AND record."offset" = oldest."offset"
      AND record."timestamp" < extract(epoch FROM clock_timestamp()) * 1000 - $2::float8 * 1000
    RETURNING record."offset"
)
UPDATE log_partitions SET first_offset = (SELECT max("offset") + 1 FROM forgotten)
WHERE id = $1 AND EXISTS (SELECT FROM forgotten)
RETURNING (SELECT count(*) FROM forgotten) AS count
"""


async def trim(engine: AsyncEngine, partition_ids: Iterable[int], older_than: float) -> int:
    """Delete the records older than `older_than` seconds that every group has committed; answer how many they were.

    A partition that no group reads keeps everything.
    """
    total = 0
    for partition_id in partition_ids:
        count = _TRIM_RECORDS
        while count == _TRIM_RECORDS:
            async with begin(engine) as connection:
                rows = await connection.exec_driver_sql(_TRIM, (partition_id, older_than, _TRIM_RECORDS))
                count = rows.scalar() or 0
            total += count
    return total
