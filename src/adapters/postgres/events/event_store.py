"""The table of events."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, literal, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.events import event_statements as statements
from adapters.postgres.events.canary import store_canary
from adapters.postgres.events.event_writer import EventWriter
from adapters.postgres.events.printed_payloads import ROWS, Printer
from adapters.postgres.schema.tables import events
from adapters.postgres.sessions import times
from adapters.postgres.sessions.errors import translated
from adapters.postgres.sessions.transactions import reading
from application.listing import PAGE_PAYLOAD, Cursor, EventFilter, Page, StoredEvent
from application.ports import Delivery, Outcome
from domain.event_types import LEGACY_TYPES, EventTypes

_FETCH_ROWS = 50
"""How many rows of a listing are asked for at a time, since nobody knows beforehand how large they are."""
_SHOWING_SECONDS = 0.05
"""How long after its beginning a transaction may not show yet in `pg_stat_activity`."""

# Of other roles' sessions only the existence is visible, neither what they are nor when their transactions began.
_OPEN_TRANSACTIONS = """
SELECT min(xact_start) AS oldest, bool_or(state IS NULL) AS hidden
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (backend_type = 'client backend' OR backend_type IS NULL)
"""


class PostgresEventStore(EventWriter):
    """`EventStore` over the table `events`: what its base writes, and what is read here."""

    def __init__(self, engine: AsyncEngine, types: EventTypes = LEGACY_TYPES, *, settle: float) -> None:
        """`types`: those that are accepted; a table may refuse others. For `settle` see the base."""
        super().__init__(engine, settle=settle)
        self._types = types

    async def check(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome | None]:
        async with reading(self._engine) as connection:
            return await statements.compare(connection, deliveries)

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        rows: list[StoredEvent] = []
        size = 0
        async with reading(self._engine) as connection:
            # One row more than fits, to tell whether there are more.
            found = await _found(connection, _listing(wanted, after), limit + 1)
            printer = Printer(connection)
            for place in range(len(found)):
                if len(rows) == limit or size >= PAGE_PAYLOAD:
                    return Page(rows, Cursor(rows[-1].created_at, rows[-1].id))
                if (row := await printer.stored(place, found)) is not None:
                    rows.append(row)
                    size += len(row.payload or "")
        return Page(rows, None)

    async def get(self, event_id: UUID) -> StoredEvent | None:
        async with reading(self._engine) as connection:
            rows = (await connection.execute(ROWS.where(events.c.id == event_id))).all()
            return await Printer(connection).stored(0, rows) if rows else None

    async def settled_until(self) -> datetime:
        async with reading(self._engine) as connection:
            now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            # A transaction shows a moment after it began; one that begins from now on is later than now.
            await asyncio.sleep(_SHOWING_SECONDS)
            seen = (await connection.execute(text(_OPEN_TRANSACTIONS))).one()
        bound = now - timedelta(seconds=self._settle)
        return bound if seen.hidden else max(bound, min(now, seen.oldest or now))

    async def ping(self) -> None:
        async with reading(self._engine) as connection:
            await connection.execute(text("SELECT 1"))

    async def probe(self) -> None:
        with translated():
            async with asyncio.timeout(self._settle):
                await store_canary(self._engine, self._types)


def _listing(wanted: EventFilter, after: Cursor | None) -> Sequence[Select[Any]]:
    """Build the halves of a listing: rows with a time, then those without; a half that must be empty is left out.

    Two statements, since an index serves each of them and none serves `NULLS LAST` across both.
    """
    table = events.c
    chosen = ROWS
    if wanted.user_id is not None:
        chosen = chosen.where(table.user_id == wanted.user_id)
    if wanted.event_type is not None:
        chosen = chosen.where(table.event_type == wanted.event_type)
    dated = chosen.where(table.created_at.is_not(None)).order_by(table.created_at.desc(), table.id.desc())
    undated = chosen.where(table.created_at.is_(None)).order_by(table.id.desc())
    if wanted.since is not None:
        dated = dated.where(table.created_at >= wanted.since)
    if wanted.until is not None:
        dated = dated.where(table.created_at < wanted.until)
    bounded = wanted.since is not None or wanted.until is not None
    if after is None:
        return [dated] if bounded else [dated, undated]
    if after.created_at is None:
        return [] if bounded else [undated.where(table.id < after.id)]
    if after.created_at == times.FIRST:
        # Rows from before the calendar share this cursor: whoever walks must not come round to them again.
        dated = dated.where(table.created_at >= times.FIRST)
    place = tuple_(literal(after.created_at, table.created_at.type), after.id)
    dated = dated.where(tuple_(table.created_at, table.id) < place)
    return [dated] if bounded else [dated, undated]


async def _found(connection: AsyncConnection, halves: Sequence[Select[Any]], limit: int) -> list[Row[Any]]:
    """Read rows of `halves`, one after the other, up to the one behind that which completes a page."""
    rows: list[Row[Any]] = []
    size = 0
    for half in halves:
        part = half.limit(limit - len(rows)).execution_options(yield_per=_FETCH_ROWS)
        async with connection.stream(part) as found:
            async for fetched in found.partitions():
                for row in fetched:
                    rows.append(row)
                    if len(rows) == limit or size >= PAGE_PAYLOAD:
                        return rows
                    size += len(row.payload or "")
    return rows
