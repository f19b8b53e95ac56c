"""What outlives a consumer, in the table `partition_states`; every row is made by the first who needs it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions import transactions
from application.ports import Halt, HaltKind, PartitionState, StaleGeneration

# Rows are locked in the order of partitions by every statement, so that two consumers wait for each other instead of
# deadlocking. A record that is still in hand when its partition is begun anew was never taken out: its consumer died.
_BEGIN = """
INSERT INTO partition_states AS state (group_name, topic, partition, owner, position, attempts)
SELECT $1, $2, partition, $3, position, 0
FROM unnest($4::int[], $5::bigint[]) AS given (partition, position)
ORDER BY partition
ON CONFLICT (group_name, topic, partition) DO UPDATE SET
    owner = excluded.owner,
    position = excluded.position,
    attempts = CASE WHEN state.position = excluded.position THEN state.attempts ELSE 0 END,
    deaths = state.deaths + state.in_hand::int,
    in_hand = FALSE
RETURNING partition, attempts, stop_kind IS NOT NULL AND resumed_at IS NULL AS is_halted,
    stop_kind, stop_offset, stop_reason
"""
_ATTEMPT = """
UPDATE partition_states AS state SET attempts = attempts + 1
FROM (
    SELECT partition FROM partition_states
    WHERE group_name = $1 AND topic = $2 AND owner = $3 AND partition = ANY($4::int[])
    ORDER BY partition FOR UPDATE
) AS own
WHERE group_name = $1 AND topic = $2 AND state.partition = own.partition
"""
_END = """
UPDATE partition_states AS state SET
    attempts = greatest(attempts - (state.position = ended.given_position)::int, 0),
    in_hand = in_hand AND owner <> $3
FROM (
    SELECT partition, given.position AS given_position
    FROM partition_states JOIN unnest($4::int[], $5::bigint[]) AS given (partition, position) USING (partition)
    WHERE group_name = $1 AND topic = $2
    ORDER BY partition FOR UPDATE OF partition_states
) AS ended
WHERE group_name = $1 AND topic = $2 AND state.partition = ended.partition
"""
_MARK = """
UPDATE partition_states SET
    marked_offset = $5,
    in_hand = TRUE,
    deaths = CASE WHEN marked_offset = $5 THEN deaths ELSE 0 END
WHERE group_name = $1 AND topic = $2 AND owner = $3 AND partition = $4
RETURNING deaths
"""
_UNMARK = """
UPDATE partition_states SET marked_offset = NULL, in_hand = FALSE, deaths = 0
WHERE group_name = $1 AND topic = $2 AND owner = $3 AND partition = $4
"""
_HALT = """
INSERT INTO partition_states AS state
    (group_name, topic, partition, stop_kind, stop_offset, stop_reason, stopped_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (group_name, topic, partition) DO UPDATE SET
    stop_kind = excluded.stop_kind,
    stop_offset = excluded.stop_offset,
    stop_reason = excluded.stop_reason,
    stopped_at = excluded.stopped_at,
    resumed_at = NULL
WHERE (state.stop_kind, state.stop_offset) IS DISTINCT FROM (excluded.stop_kind, excluded.stop_offset)
"""
_HALTS = """
SELECT partition, stop_kind, stop_offset, stop_reason, stopped_at FROM partition_states
WHERE group_name = $1 AND topic = $2 AND stop_kind IS NOT NULL AND resumed_at IS NULL
ORDER BY partition
"""
_RESUME = """
UPDATE partition_states AS state SET resumed_at = clock_timestamp()
FROM (
    SELECT partition FROM partition_states
    WHERE group_name = $1 AND topic = $2 AND stop_kind IS NOT NULL AND resumed_at IS NULL
      AND ($3::int[] IS NULL OR partition = ANY($3))
    ORDER BY partition FOR UPDATE
) AS open
WHERE group_name = $1 AND topic = $2 AND state.partition = open.partition
RETURNING state.partition, stop_kind, stop_offset, stop_reason
"""


class PostgresPartitionStates:
    """`PartitionStates` of one consumer over the table `partition_states`."""

    def __init__(self, engine: AsyncEngine, topic: str, group: str) -> None:
        self._engine = engine
        self._topic = topic
        self._group = group
        self._owner = uuid4()

    async def begin(self, positions: Mapping[int, int]) -> Mapping[int, PartitionState]:
        rows = await self._run(_BEGIN, self._owner, list(positions), list(positions.values()))
        return {row.partition: PartitionState(row.attempts, _halt(row) if row.is_halted else None) for row in rows}

    async def attempt(self, partitions: Collection[int]) -> None:
        await self._run(_ATTEMPT, self._owner, list(partitions))

    async def end(self, positions: Mapping[int, int]) -> None:
        await self._run(_END, self._owner, list(positions), list(positions.values()))

    async def mark(self, partition: int, offset: int) -> int:
        rows = await self._run(_MARK, self._owner, partition, offset)
        if not rows:
            raise StaleGeneration
        return int(rows[0].deaths)

    async def unmark(self, partition: int) -> None:
        await self._run(_UNMARK, self._owner, partition)

    async def halt(self, partition: int, halt: Halt) -> None:
        await self._run(_HALT, partition, halt.kind.value, halt.offset, halt.reason)

    async def halts(self) -> Mapping[int, Halt]:
        return {row.partition: _halt(row) for row in await self._read(_HALTS)}

    async def halted_since(self) -> Mapping[int, datetime]:
        return {row.partition: row.stopped_at for row in await self._read(_HALTS)}

    async def resume(self, partitions: Collection[int] | None = None) -> Mapping[int, Halt]:
        rows = await self._run(_RESUME, None if partitions is None else list(partitions))
        return {row.partition: _halt(row) for row in rows}

    async def _run(self, statement: str, *parameters: object) -> Sequence[Row[Any]]:
        async with transactions.begin(self._engine) as connection:
            rows = await connection.exec_driver_sql(statement, (self._group, self._topic, *parameters))
            found = rows.all() if rows.returns_rows else []
            if not found and rows.rowcount <= 0:
                # What was to be written may have been before, by a try of unknown outcome.
                await transactions.rely_on_reads(connection)
            return found

    async def _read(self, statement: str) -> Sequence[Row[Any]]:
        async with transactions.begin(self._engine) as connection:
            return (await connection.exec_driver_sql(statement, (self._group, self._topic))).all()


def _halt(row: Row[Any]) -> Halt:
    return Halt(HaltKind(row.stop_kind), row.stop_offset, row.stop_reason)
