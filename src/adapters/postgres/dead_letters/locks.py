"""In which order transactions that write to the index, or to jobs' items, take their locks.

First the index (`lock_index`), then rows of `dead_letters` in the order of ids, then rows of `dead_letter_job_items`.
Whoever keeps to it waits for others and never deadlocks with them.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

INDEX_LOCK = 0x6465_6164_6C74_7273
"""The advisory lock's key: "deadltrs" in ASCII."""

_SHARED = "SELECT pg_advisory_xact_lock_shared($1::bigint)"
_EXCLUSIVE = "SELECT pg_advisory_xact_lock($1::bigint)"


async def lock_index(connection: AsyncConnection) -> None:
    """Keep the index from being rebuilt until this transaction ends: the first statement of all that write to it."""
    await connection.exec_driver_sql(_SHARED, (INDEX_LOCK,))


async def lock_index_alone(connection: AsyncConnection) -> None:
    """Keep all others from writing to the index until this transaction ends."""
    await connection.exec_driver_sql(_EXCLUSIVE, (INDEX_LOCK,))
