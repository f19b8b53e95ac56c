"""Reads records of one topic of the embedded log."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions.transactions import reading
from adapters.records.log_record import LogRecord

_READ_BYTES = 32 * 1024 * 1024
"""From how many bytes on a read takes no more records: thousands of large ones would fill the memory."""

# Offsets have no gaps, so that the range bounds the rows, whatever the planner knows of the table. Partitions come one
# after the other, each in order: what the limits cut off is the end of one and all of those after it. Lengths are known
# without the values.
_READ = """
SELECT partition, "offset", "timestamp", key, value, headers::text
FROM (
    SELECT *, sum(length) OVER (ROWS UNBOUNDED PRECEDING) - length AS before
    FROM (
        SELECT given.partition, record.*, coalesce(octet_length(record.value), 0) AS length
        FROM unnest($1::int[], $2::int[], $3::bigint[]) AS given (partition, partition_id, position)
        CROSS JOIN LATERAL (
            SELECT * FROM log_records
            WHERE log_records.partition_id = given.partition_id AND log_records."offset" >= given.position
              AND log_records."offset" < given.position + $4
            ORDER BY log_records."offset"
        ) AS record
        LIMIT $4
    ) AS measured
) AS summed
WHERE before < $5
"""
_decode = msgspec.json.Decoder(tuple[tuple[str, bytes | None], ...]).decode


class Place(NamedTuple):
    """From where on to read one partition."""

    partition: int
    partition_id: int
    position: int


async def read(engine: AsyncEngine, topic: str, places: Sequence[Place], limit: int) -> list[LogRecord]:
    """Read at most `limit` records, fewer where they are large, of the partitions in the order given."""
    if not places:
        return []
    columns = [list(column) for column in zip(*places, strict=True)]
    async with reading(engine) as connection:
        rows = await connection.exec_driver_sql(_READ, (*columns, limit, _READ_BYTES))
        return [
            LogRecord(topic, row.partition, row.offset, row.timestamp, row.key, row.value, _decode(row.headers))
            for row in rows
        ]
