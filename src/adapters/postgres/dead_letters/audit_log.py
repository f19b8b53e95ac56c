"""Who did what, in the table `audit_log`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.schema.tables import audit_log
from adapters.postgres.sessions import transactions
from application.dead_letters.orders import AuditEntry, NewEntry


class PostgresAuditLog:
    """`AuditLog` over the table `audit_log`, whose rows a trigger keeps as they are."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, entry: NewEntry, counts: Mapping[str, int]) -> AuditEntry:
        async with transactions.begin(self._engine) as connection:
            return await add_entry(connection, entry, counts)

    async def page(
        self, before: int | None, limit: int, *, action: str | None = None, who: str | None = None
    ) -> Sequence[AuditEntry]:
        table = audit_log.c
        wanted = select(audit_log).order_by(table.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(table.id < before)
        if action is not None:
            wanted = wanted.where(table.action == action)
        if who is not None:
            wanted = wanted.where(table.who == who)
        async with transactions.reading(self._engine) as connection:
            return [_entry(row) for row in await connection.execute(wanted)]


async def add_entry(connection: AsyncConnection, entry: NewEntry, counts: Mapping[str, int]) -> AuditEntry:
    """Add an entry within a transaction that has locked the rows concerned, so that ids follow the order of changes."""
    row = insert(audit_log).values(
        who=entry.who, action=entry.action, wanted=dict(entry.wanted), counts=dict(counts), reason=entry.reason
    )
    return _entry((await connection.execute(row.returning(audit_log))).one())


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(row.id, row.at, row.who, row.action, row.wanted, row.counts, row.reason)
