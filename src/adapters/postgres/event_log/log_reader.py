"""Looks at a topic of the embedded log, as a member of no group."""

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.record_reader import Place, read
from adapters.postgres.event_log.topics import heads, partition_ids
from adapters.postgres.schema.tables import log_claims, log_partitions
from adapters.postgres.sessions.transactions import reading
from application.ports import Span, Stretch
from domain.errors import WrongDeployment

_CHUNK_RECORDS = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSETS_AT = """
SELECT head.partition, coalesce(
    (
        SELECT record."offset" FROM log_records AS record
        WHERE record.partition_id = head.id AND record."timestamp" >= $2
        ORDER BY record."offset" LIMIT 1
    ),
    head.next_offset
) AS "offset"
FROM log_partitions AS head WHERE head.topic = $1
"""


class PostgresLogReader:
    """`LogReader` over one topic."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        self._engine = engine
        self._topic = topic

    async def spans(self) -> Mapping[int, Span]:
        return {
            head.partition: Span(head.first_offset, head.next_offset) for head in await heads(self._engine, self._topic)
        }

    async def offsets_at(self, moment: datetime) -> Mapping[int, int]:
        # Rounded up: a record has whole milliseconds.
        milliseconds = -((_EPOCH - moment) // timedelta(milliseconds=1))
        async with reading(self._engine) as connection:
            rows = await connection.exec_driver_sql(_OFFSETS_AT, (self._topic, milliseconds))
            return {row.partition: row.offset for row in rows}

    async def committed(self, group: str) -> Mapping[int, int]:
        claims = (
            select(log_partitions.c.partition, log_claims.c.position)
            .join(log_claims)
            .where(log_partitions.c.topic == self._topic, log_claims.c.group_name == group)
        )
        async with reading(self._engine) as connection:
            return {row.partition: row.position for row in await connection.execute(claims)}

    async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
        place = Place(partition, (await partition_ids(self._engine, self._topic))[partition], start)
        while place.position < end:
            limit = min(_CHUNK_RECORDS, end - place.position)
            records = await read(self._engine, self._topic, [place], limit)
            # Offsets have no gaps of their own: what stands behind one is taken after it is explained.
            found = [record for offset, record in enumerate(records, place.position) if record.offset == offset]
            deleted = 0 if found else min((await self.spans())[partition].start, end) - place.position
            if not found and deleted <= 0:
                raise WrongDeployment(
                    f"event log: {self._topic} has no record at offset {place.position} of partition {partition}, "
                    "which retention did not take"
                )
            place = place._replace(position=place.position + deleted + len(found))
            yield Stretch(deleted, found, place.position)
