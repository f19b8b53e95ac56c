"""Topics of the embedded log."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.schema.tables import log_partitions
from adapters.postgres.sessions.transactions import begin, reading
from domain.errors import WrongDeployment

_DEFAULT_PARTITIONS = 4
_CREATE = """
INSERT INTO log_partitions (topic, partition)
SELECT $1, partition FROM generate_series(0, $2::int - 1) AS partition
WHERE NOT EXISTS (SELECT FROM log_partitions WHERE topic = $1)
"""


async def ensure_topic(engine: AsyncEngine, topic: str, partitions: int | None = None) -> int:
    """Make `topic` unless it stands already; answer its number of partitions.

    Raises `WrongDeployment` when `partitions` is given and another number stands: keys would move.
    """
    async with begin(engine) as connection:
        # Of two processes that make a topic at once, one waits for the other and then finds its rows.
        await connection.exec_driver_sql("LOCK TABLE log_partitions IN SHARE ROW EXCLUSIVE MODE")
        await connection.exec_driver_sql(_CREATE, (topic, partitions or _DEFAULT_PARTITIONS))
    standing = len(await partition_ids(engine, topic))
    if partitions not in (None, standing):
        raise WrongDeployment(
            f"event log: topic {topic} has {standing} partitions, but KAFKA_PARTITIONS is {partitions}; "
            "unset it to accept what stands"
        )
    return standing


async def heads(engine: AsyncEngine, topic: str) -> Sequence[Row[Any]]:
    """Read the topic's rows of `log_partitions`, in the order of partitions."""
    table = log_partitions.c
    wanted = select(log_partitions).where(table.topic == topic).order_by(table.partition)
    async with reading(engine) as connection:
        rows = (await connection.execute(wanted)).all()
    if not rows:
        raise WrongDeployment(f"event log: there is no topic {topic}")
    return rows


async def partition_ids(engine: AsyncEngine, topic: str) -> list[int]:
    """List the keys of the topic's partitions, in the order of partitions."""
    return [head.id for head in await heads(engine, topic)]
