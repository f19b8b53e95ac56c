"""What was confirmed outlives a crash of the server, whatever it is set to; where it cannot, that is said."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.schema.migrate import migrate, require_migrated
from adapters.postgres.schema.tables import VERSION_TABLE, metadata
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from domain.errors import WrongDeployment
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.events import an_event, delivered
from tests.support.legacy_service import execute, fetch
from tests.support.postgres import PostgresServer, kill
from tests.support.service import Kind
from tests.support.world import World

EVENTS = 200
# What is nearer to the session prevails.
PLACES = {
    "database": "ALTER DATABASE {database} SET synchronous_commit = {value}",
    "role": "ALTER ROLE {role} SET synchronous_commit = {value}",
    "role in the database": "ALTER ROLE {role} IN DATABASE {database} SET synchronous_commit = {value}",
}


@pytest.fixture
def careless() -> Iterator[LocalPostgres]:
    """A server that answers before its disk has what was committed, by seconds."""
    options = {"synchronous_commit": "off", "wal_writer_delay": "10s", "fsync": "off", "full_page_writes": "off"}
    with (
        tempfile.TemporaryDirectory(prefix="user-events-postgres-") as directory,
        LocalPostgres(Path(directory) / "data", options=options) as server,
    ):
        yield server


@pytest.fixture
async def role(postgres: PostgresServer, database: Database) -> AsyncIterator[Database]:
    """The database as a role of its own sees it, whose settings nobody shares."""
    name = f"role_{database.name}"
    await postgres.execute(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{database.password}'")
    yield replace(database, user=name)
    await execute(database, f"DROP OWNED BY {name}")
    await postgres.execute(f"DROP ROLE {name}")


async def _mode(database: Database) -> str:
    """Which commits a session of ours waits for."""
    engine = create_engine(database, application_name="tests", pool_size=1)
    try:
        async with engine.connect() as connection:
            return str((await connection.exec_driver_sql("SHOW synchronous_commit")).scalar_one())
    finally:
        await engine.dispose()


async def test_killed_server_loses_nothing_although_it_need_not_wait_for_its_disk(careless: LocalPostgres) -> None:
    """The sessions of the service wait for it all the same."""
    database = Database(careless.host, careless.port, careless.user, careless.password, careless.database)
    await migrate(database)
    engine = create_engine(database, application_name="tests", pool_size=1)
    await PostgresEventStore(engine, settle=25.0).add(delivered(*(an_event() for _ in range(EVENTS))))
    await asyncio.to_thread(kill, careless)
    await engine.dispose()
    await asyncio.to_thread(careless.start)
    assert await fetch(replace(database, port=careless.port), "SELECT count(*) FROM events") == [(EVENTS,)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("value", "mode"), [("off", "on"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")]
)
async def test_commits_wait_for_the_disk_wherever_that_was_turned_off(
    postgres: PostgresServer, role: Database, place: str, value: str, mode: str
) -> None:
    """Anything else is taken as it is set."""
    await postgres.execute(PLACES[place].format(database=role.name, role=role.user, value=value))
    assert await _mode(role) == mode


@pytest.mark.parametrize("table", [*metadata.tables, VERSION_TABLE])
async def test_unlogged_table_is_refused_with_the_remedy(database: Database, table: str) -> None:
    """A crash empties it; both to migrate and to start without migrating."""
    # It may not be referred to by a table that stays.
    for each in reversed([table, *_referring_to(table)]):
        await execute(database, f"ALTER TABLE {each} SET UNLOGGED")
    for check in (migrate, require_migrated):
        with pytest.raises(WrongDeployment, match=f"ALTER TABLE {table} SET LOGGED") as refused:
            await check(database)
    _, _, remedy = str(refused.value).partition("written anew: ")
    await execute(database, remedy)
    await migrate(database)
    await require_migrated(database)


def _referring_to(table: str) -> list[str]:
    """Name the tables that refer to a table, also by way of others; each before those that refer to it."""
    found = {table}
    for each in metadata.sorted_tables:
        if {key.column.table.name for key in each.foreign_keys} & found:
            found.add(each.name)
    return [each.name for each in metadata.sorted_tables if each.name in found - {table}]


async def test_unlogged_part_of_a_table_is_refused(database: Database) -> None:
    """The table of all parts says nothing of them."""
    await execute(
        database,
        """
        DROP TABLE events;
        CREATE TABLE events (id UUID PRIMARY KEY, user_id TEXT NOT NULL, event_type TEXT NOT NULL, payload JSONB,
            created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, occurred_at TIMESTAMPTZ, log_partition INT,
            log_offset BIGINT) PARTITION BY HASH (id);
        CREATE TABLE one PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE UNLOGGED TABLE other PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        """,
    )
    with pytest.raises(WrongDeployment, match="ALTER TABLE other SET LOGGED"):
        await migrate(database)


@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_process_ends_where_the_table_is_unlogged(world: World, kind: Kind) -> None:
    """With one clear line."""
    await execute(world.database, "ALTER TABLE events SET UNLOGGED")
    process = await world.start(kind)
    assert await process.ended() == 1
    (last,) = [line for line in process.lines() if line["level"] == "critical"]
    assert "ALTER TABLE events SET LOGGED" in last["event"]
    assert "Traceback" not in process.text


async def test_start_says_what_a_crash_of_the_server_may_cost(world: World, careless: LocalPostgres) -> None:
    """A line for each setting; the server stays as it is set."""
    server = {"DB_PORT": str(careless.port), "DB_PASSWORD": careless.password, "DB_NAME": careless.database}
    process = await world.run("api", **server)
    lines = process.lines("database settings need attention")
    assert [line["level"] for line in lines] == ["warning", "warning"]
    for setting, line in zip(("fsync", "full_page_writes"), lines, strict=True):
        assert f"{setting} = off" in line["warning"]
