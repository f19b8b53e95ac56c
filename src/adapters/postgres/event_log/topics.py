"""Topics of the embedded log."""

from sqlalchemy import select
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


async def partition_ids(engine: AsyncEngine, topic: str) -> list[int]:
    """List the keys of the topic's partitions, in the order of partitions."""
    table = log_partitions.c
    async with reading(engine) as connection:
        rows = await connection.execute(select(table.id).where(table.topic == topic).order_by(table.partition))
        ids = list(rows.scalars())
    if not ids:
        raise WrongDeployment(f"event log: there is no topic {topic}")
    return ids
