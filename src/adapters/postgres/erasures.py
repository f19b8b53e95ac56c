"""The register of users whose rows were deleted on purpose."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions import transactions

_ERASED_AT = """
SELECT user_id, erased_at, pg_is_in_recovery() AS is_on_standby FROM erased_users WHERE user_id = ANY($1::text[])
"""


class PostgresErasures:
    """`Erasures` over the table `erased_users`, which is written by whoever deletes rows."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def erased_at(self, user_ids: Collection[str]) -> Mapping[str, datetime]:
        async with transactions.reading(self._engine) as connection:
            rows = (await connection.exec_driver_sql(_ERASED_AT, (list(user_ids),))).all()
            if any(not row.is_on_standby for row in rows):
                # Whoever is told that rows are missing on purpose must not meet them again after a failover.
                await transactions.rely_on_reads(connection)
                await transactions.commit(connection)
            return {row.user_id: row.erased_at for row in rows}
