"""Taking over the legacy service's table while it is at work, and refusing a stranger's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.schema.migrate import check, migrate
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from application.listing import EventFilter, StoredEvent
from application.ports import Outcome
from domain.errors import Unavailable, WrongDeployment
from tests.support.events import an_event, delivered
from tests.support.legacy_service import (
    COLUMNS,
    INDEXES,
    RELATIONS,
    TABLE,
    assert_ours,
    execute,
    fetch,
    insert,
    waits_for_a_lock,
)
from tests.support.postgres import PostgresServer, connect
from tests.support.waiting import PATIENCE

LISTED_AT_MOST = 100


@pytest.fixture
async def legacy(empty_database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the legacy service to a database of this test's own, which has its table."""
    connection = await connect(empty_database)
    await connection.execute(TABLE)
    yield connection
    await connection.close()


@asynccontextmanager
async def snapshot(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Keep a transaction open that may still see rows without a new index, as a dump does."""
    await connection.execute("CREATE TABLE other ()")
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute("SELECT FROM other")
        yield


async def assert_writable(database: Database) -> None:
    """Check that another writer does not have to wait."""
    async with asyncio.timeout(PATIENCE):
        other = await connect(database)
        await insert(other)
        await other.close()


@asynccontextmanager
async def a_store(database: Database) -> AsyncIterator[PostgresEventStore]:
    """Open our store."""
    engine = create_engine(database, application_name="tests", pool_size=2)
    yield PostgresEventStore(engine, settle=25.0)
    await engine.dispose()


async def listed(database: Database) -> list[StoredEvent]:
    """List all rows through our store."""
    async with a_store(database) as store:
        return list((await store.page(EventFilter(), None, LISTED_AT_MOST)).rows)


async def test_legacy_table_is_adopted_while_it_goes_on_writing(
    empty_database: Database, legacy: asyncpg.Connection
) -> None:
    """Every row is kept, none is refused to it, the table is not rewritten, and no drift remains."""
    rows = {await insert(legacy) for _ in range(500)}
    files = {row[0]: row for row in await fetch(empty_database, RELATIONS)}
    migrating = asyncio.create_task(migrate(empty_database))
    while not migrating.done():
        rows.add(await insert(legacy))
    await migrating
    rows.add(await insert(legacy))
    await assert_ours(empty_database)
    await check(empty_database)
    assert {event_id for (event_id,) in await fetch(empty_database, "SELECT id FROM events")} == rows
    assert ("events", *files["events"][1:]) in await fetch(empty_database, RELATIONS)


async def test_rows_without_time_or_payload_are_listed(empty_database: Database, legacy: asyncpg.Connection) -> None:
    """Behind all others; what is absent stays absent."""
    dated = await insert(legacy)
    undated = await insert(legacy, payload=None)
    await legacy.execute("UPDATE events SET created_at = NULL WHERE id = $1", undated)
    await migrate(empty_database)
    first, last = await listed(empty_database)
    assert (first.id, first.payload, first.created_at is None) == (dated, "{}", False)
    assert (last.id, last.payload, last.created_at, last.occurred_at) == (undated, None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER user_id TYPE VARCHAR(255), ALTER event_type TYPE VARCHAR",
        "ADD source TEXT",
        "ADD source TEXT NOT NULL DEFAULT ''",
        "ADD serial_number BIGSERIAL NOT NULL",
        "ADD number BIGINT GENERATED ALWAYS AS IDENTITY",
        "ADD length INT NOT NULL GENERATED ALWAYS AS (length(user_id)) STORED",
        "ALTER created_at SET NOT NULL",
    ],
)
async def test_table_that_differs_harmlessly_is_adopted(
    empty_database: Database, legacy: asyncpg.Connection, change: str
) -> None:
    """Where our rows fit in all the same."""
    await legacy.execute(f"ALTER TABLE events {change}")
    row = await insert(legacy)
    await migrate(empty_database)
    async with a_store(empty_database) as store:
        assert await store.add(delivered(an_event())) == [Outcome.STORED]
        assert await store.get(row) is not None


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE events; CREATE TABLE events (id SERIAL PRIMARY KEY, name TEXT)", "it has no column user_id"),
        ("DROP TABLE events; CREATE VIEW events AS SELECT 1 AS id", "it has no column payload"),
        ("ALTER TABLE events ALTER id TYPE TEXT", "its column id is of type TEXT"),
        ("ALTER TABLE events ALTER payload TYPE JSON", "its column payload is of type JSON"),
        ("ALTER TABLE events ALTER created_at TYPE TIMESTAMPTZ", "its column created_at is of type TIMESTAMP"),
        (
            "ALTER TABLE events ADD source TEXT NOT NULL",
            "its column source must be filled, and we do not know with what",
        ),
        ("ALTER TABLE events DROP CONSTRAINT events_pkey", r"its primary key is not \(id\)"),
        (
            "ALTER TABLE events DROP CONSTRAINT events_pkey, ADD PRIMARY KEY (id, user_id)",
            r"its primary key is not \(id\)",
        ),
    ],
)
async def test_table_that_is_not_the_legacy_services_is_refused_and_left_alone(
    empty_database: Database, legacy: asyncpg.Connection, statement: str, reason: str
) -> None:
    """With everything that is wrong with it, and what to do."""
    await legacy.execute(statement)
    before = await fetch(empty_database, RELATIONS), await fetch(empty_database, COLUMNS)
    with pytest.raises(WrongDeployment, match=reason) as refused:
        await migrate(empty_database)
    assert "Rename it, or give DB_NAME another database" in str(refused.value)
    after = await fetch(empty_database, RELATIONS), await fetch(empty_database, COLUMNS)
    assert after == before


async def test_local_times_are_refused_with_a_remedy_that_works(empty_database: Database) -> None:
    """The statements, run as they are printed, leave every row at the moment it was inserted."""
    local = "Asia/Kathmandu"
    insert_row = "INSERT INTO events (id, user_id, event_type) VALUES (gen_random_uuid(), 'user-1', 'LOGIN')"
    await execute(empty_database, f"ALTER DATABASE \"{empty_database.name}\" SET timezone TO '{local}'")
    await execute(empty_database, TABLE)
    await execute(empty_database, insert_row)
    inserted_at = datetime.now(UTC)
    with pytest.raises(WrongDeployment, match=local) as refused:
        await migrate(empty_database)
    assert len(await fetch(empty_database, COLUMNS)) == 5
    assert "Once only" in str(refused.value)
    _, _, remedy = str(refused.value).partition("with all writers stopped: ")
    await execute(empty_database, remedy)
    await migrate(empty_database)
    await assert_ours(empty_database)
    await execute(empty_database, insert_row)
    rows = await listed(empty_database)
    assert len(rows) == 2
    assert all(row.created_at and abs(row.created_at - inserted_at) < timedelta(minutes=1) for row in rows)


@pytest.mark.parametrize("scope", ["", "IN DATABASE {database}"])
async def test_local_time_of_the_role_is_mended_where_it_is_set(
    empty_database: Database, postgres: PostgresServer, scope: str
) -> None:
    """The database's own setting would not prevail, and the remedy be applied a second time."""
    role = f"role-{uuid4().hex}"
    await execute(empty_database, f"CREATE ROLE \"{role}\" SUPERUSER LOGIN PASSWORD 'x'")
    database = replace(empty_database, user=role, password="x")
    scope = scope.format(database=empty_database.name)
    try:
        await execute(empty_database, TABLE)
        await execute(empty_database, f"ALTER ROLE \"{role}\" {scope} SET timezone TO 'Europe/Berlin'")
        with pytest.raises(WrongDeployment, match="Europe/Berlin") as refused:
            await migrate(database)
        await execute(database, str(refused.value).partition("with all writers stopped: ")[2])
        await migrate(database)
    finally:
        await postgres.drop(empty_database.name)
        await postgres.execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
async def test_empty_database_in_local_time_is_told_of_before_a_legacy_service_writes(
    empty_database: Database, caplog: pytest.LogCaptureFixture, zone: str
) -> None:
    """Without a legacy service the migration goes on."""
    await execute(empty_database, f"ALTER DATABASE \"{empty_database.name}\" SET timezone TO '{zone}'")
    await migrate(empty_database)
    told = [record.getMessage() for record in caplog.records if record.name == "adapters.postgres.schema.adoption"]
    assert len(told) == (zone != "UTC")
    assert all(f"ALTER DATABASE {empty_database.name} SET timezone TO 'UTC'" in line for line in told)


@pytest.mark.parametrize("zone", ["Etc/UTC", "GMT", "Zulu"])
async def test_other_names_of_utc_are_accepted(empty_database: Database, zone: str) -> None:
    """They mean the same."""
    await execute(empty_database, f"ALTER DATABASE \"{empty_database.name}\" SET timezone TO '{zone}'")
    await execute(empty_database, TABLE)
    await migrate(empty_database)
    await assert_ours(empty_database)


async def test_index_left_invalid_by_an_interrupted_build_is_built_anew(
    empty_database: Database, legacy: asyncpg.Connection
) -> None:
    """It would cost every write and serve no query."""
    for _ in range(2):
        await insert(legacy)
    with pytest.raises(asyncpg.UniqueViolationError):
        await legacy.execute("CREATE UNIQUE INDEX CONCURRENTLY events_created_at_id_idx ON events (user_id)")
    assert ("events_created_at_id_idx", False) in await fetch(empty_database, INDEXES)
    await migrate(empty_database)
    await assert_ours(empty_database)
    await check(empty_database)


async def test_lock_of_another_only_puts_the_migration_off(
    empty_database: Database, legacy: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers do not queue up behind it for longer than the lock timeout, and the next attempt succeeds."""
    monkeypatch.setattr("adapters.postgres.schema.migrate._LOCK_SECONDS", 0.2)
    await legacy.execute("BEGIN; LOCK TABLE events IN ACCESS SHARE MODE")
    with pytest.raises(Unavailable, match="55P03"):
        await migrate(empty_database)
    await assert_writable(empty_database)
    await legacy.execute("COMMIT")
    await migrate(empty_database)
    await assert_ours(empty_database)


async def test_index_waits_for_a_long_transaction_of_another_while_writers_go_on(
    empty_database: Database, legacy: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise finished builds would be dropped and repeated for as long as a dump takes."""
    monkeypatch.setattr("adapters.postgres.schema.migrate._LOCK_SECONDS", 0.2)
    async with snapshot(legacy):
        migrating = asyncio.create_task(migrate(empty_database))
        await waits_for_a_lock(empty_database, "CREATE INDEX", longer_than=timedelta(milliseconds=400))
        await assert_writable(empty_database)
    await migrating
    await assert_ours(empty_database)


async def test_cancelled_index_build_ends_at_once_and_is_repeated(
    empty_database: Database, legacy: asyncpg.Connection
) -> None:
    """As when the process gets SIGTERM meanwhile."""
    async with snapshot(legacy):
        migrating = asyncio.create_task(migrate(empty_database))
        await waits_for_a_lock(empty_database, "CREATE INDEX")
        migrating.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([migrating])
        assert migrating.cancelled()
    await migrate(empty_database)
    await assert_ours(empty_database)


async def test_legacy_service_that_makes_its_table_at_the_same_moment_puts_the_migration_off(
    empty_database: Database,
) -> None:
    """The next attempt adopts it."""
    other = await connect(empty_database)
    await other.execute("BEGIN")
    await other.execute(TABLE)
    migrating = asyncio.create_task(migrate(empty_database))
    await waits_for_a_lock(empty_database, "CREATE TABLE events")
    row = await insert(other)
    await other.execute("COMMIT")
    await other.close()
    with pytest.raises(Unavailable, match="made by another"):
        await migrating
    await migrate(empty_database)
    await assert_ours(empty_database)
    assert [each.id for each in await listed(empty_database)] == [row]


async def test_rows_that_the_legacy_service_writes_afterwards_are_read_and_compared(
    empty_database: Database, legacy: asyncpg.Connection
) -> None:
    """Both sides may go on with one table: an absent or null payload counts as an empty one."""
    await legacy.execute(TABLE)
    await migrate(empty_database)
    await legacy.execute(TABLE)
    event = an_event("user-1", b'{"a":1}')
    without_payload = an_event("user-1", b"{}")
    await insert(legacy, event.id, '{"a": 1.0}')
    await insert(legacy, without_payload.id, None)
    null_payload = an_event("user-1", b"{}")
    await insert(legacy, null_payload.id, "null")
    others = [event._replace(payload=b"{}"), without_payload._replace(payload=b'{"a":1}'), event._replace(user_id="x")]
    async with a_store(empty_database) as store:
        assert await store.add(delivered(event, without_payload, null_payload)) == [Outcome.DUPLICATE] * 3
        for other in others:
            assert await store.add(delivered(other)) == [Outcome.CONFLICT]
        own = an_event("user-1")
        assert await store.add(delivered(own)) == [Outcome.STORED]
    assert await insert(legacy, own.id) == own.id
    rows = await listed(empty_database)
    assert {row.id for row in rows} == {event.id, without_payload.id, null_payload.id, own.id}
    now = datetime.now(UTC)
    assert all(row.created_at is not None and abs(row.created_at - now) < timedelta(minutes=1) for row in rows)
