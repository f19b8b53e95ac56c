"""The legacy service's table of events, and what a table of ours looks like."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from adapters.postgres.sessions.database import Database
from tests.support.postgres import connect
from tests.support.waiting import eventually

# As the legacy service makes its table and fills it.
TABLE = """
    CREATE TABLE IF NOT EXISTS events (
        id UUID PRIMARY KEY,
        user_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        payload JSONB,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    )
"""
INSERT = "INSERT INTO events (id, user_id, event_type, payload) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING"

COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'events' ORDER BY ordinal_position"
INDEXES = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'events'::regclass ORDER BY 1"
# The rows, and the table's file: a table that was rewritten has another.
RELATIONS = "SELECT relname, oid, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"

OUR_COLUMNS = ["id", "user_id", "event_type", "payload", "created_at", "occurred_at", "log_partition", "log_offset"]
OUR_INDEXES = [
    ("events_created_at_id_idx", True),
    ("events_pkey", True),
    ("events_user_id_created_at_idx", True),
]


async def insert(connection: asyncpg.Connection, event_id: UUID | None = None, payload: str | None = "{}") -> UUID:
    """Insert a row as the legacy service does; return its id."""
    event_id = event_id or uuid4()
    await connection.execute(INSERT, event_id, "user-1", "LOGIN", payload)
    return event_id


async def execute(database: Database, statements: str) -> None:
    """Run statements as a person pastes them."""
    connection = await connect(database)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def fetch(database: Database, query: str) -> list[tuple[object, ...]]:
    """Run a query on a connection of its own."""
    connection = await connect(database)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def assert_ours(database: Database) -> None:
    """Check that the table has our columns and indexes."""
    assert [name for (name,) in await fetch(database, COLUMNS)] == OUR_COLUMNS
    assert await fetch(database, INDEXES) == OUR_INDEXES


async def waits_for_a_lock(database: Database, statement: str, *, longer_than: timedelta = timedelta()) -> None:
    """Return once the migration's `statement` has been waiting for a lock for so long."""
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'user-events migrate' "
        f"AND wait_event_type = 'Lock' AND query LIKE '%{statement}%' "
        f"AND clock_timestamp() - query_start > interval '{longer_than.total_seconds()} s'"
    )

    async def is_waiting() -> bool:
        return bool(await fetch(database, waiting))

    await eventually(is_waiting, f"{statement} waits")
