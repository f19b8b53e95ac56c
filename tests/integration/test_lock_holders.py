"""Locks that somebody has forgotten: who waits says for whom, and a command does not wait for ever."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.membership import Membership
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.postgres.event_log.retention import trim
from adapters.postgres.event_log.topics import ensure_topic
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.postgres.schema.migrate import LOCK, migrate
from adapters.postgres.sessions import lock_holders
from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from domain.errors import Unavailable
from tests.support.command import user_events
from tests.support.events import a_dead_letter, a_record, an_event, delivered
from tests.support.legacy_service import TABLE, assert_ours, execute
from tests.support.postgres import connect, environment_of
from tests.support.waiting import eventually
from tests.support.world import World

FORGOTTEN = f"SELECT pg_advisory_lock({LOCK})"


@asynccontextmanager
async def _somebody(database: Database, *statements: str) -> AsyncIterator[asyncpg.Connection]:
    """Keep a session open that has run these statements."""
    session = await connect(database)
    await session.execute("SET application_name TO 'forgotten psql'")
    for statement in statements:
        await session.execute(statement)
    yield session
    await session.close()


async def _name_of(session: asyncpg.Connection, state: str) -> str:
    """Return how this session is to be named."""
    pid, user = session.get_server_pid(), await session.fetchval("SELECT current_user")
    return rf"pid {pid} \(application forgotten psql, user {user}, from 127.0.0.1, {state} since 20\d\d-[-0-9: +]+\)"


@pytest.mark.parametrize(
    ("held", "state"),
    [([FORGOTTEN], "idle"), ([TABLE, "BEGIN", "LOCK TABLE events IN ACCESS SHARE MODE"], "idle in transaction")],
    ids=["the migration's lock", "a lock on the table"],
)
async def test_migrate_names_who_has_the_lock_and_ends(empty_database: Database, held: list[str], state: str) -> None:
    """Exit code 1 when its patience is over, and another try does once the lock is free."""
    began = monotonic()
    async with _somebody(empty_database, *held) as session:
        name = await _name_of(session, state)
        finished = await user_events("migrate", environment=environment_of(empty_database) | {"LOG_FORMAT": "json"})
    assert finished.exit_code == 1
    *before, last = finished.stderr.splitlines()
    waiting = next(line for line in before if "waiting for dependencies" in line)
    assert re.search(name, waiting)
    assert re.search(name, last)
    assert monotonic() - began < 60
    await migrate(empty_database)
    await assert_ours(empty_database)


async def test_start_says_whom_it_waits_for_and_goes_on_by_itself(world: World) -> None:
    """In the log and in readiness."""
    async with _somebody(world.database, FORGOTTEN) as session:
        name = await _name_of(session, "idle")
        consumer = await world.start("consumer")
        await consumer.logged("waiting for dependencies")
        (line,) = consumer.lines("waiting for dependencies")
        assert re.search(name, line["cause"])

        async def readiness_names_it() -> bool:
            return bool(re.search(name, str(await consumer.parts())))

        await eventually(readiness_names_it, "the holder's name in readiness")
    await consumer.ready()


async def test_index_says_whose_transaction_it_waits_for(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, however long it takes."""
    monkeypatch.setattr("adapters.postgres.schema.migrate._LOCK_SECONDS", 0.5)
    await execute(empty_database, f"{TABLE}; CREATE TABLE other ()")
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    async with _somebody(empty_database, begin, "SELECT FROM other") as session:
        name = await _name_of(session, "idle in transaction")
        migrating = asyncio.create_task(migrate(empty_database))

        async def is_told() -> bool:
            return "waiting for a transaction of another to end" in caplog.messages

        await eventually(is_told, "a line with the holder")
        assert not migrating.done()
    await migrating
    (line,) = [record for record in caplog.records if record.message == "waiting for a transaction of another to end"]
    assert re.fullmatch(name, line.__dict__["held_by"])
    await assert_ours(empty_database)


def _member(engine: AsyncEngine) -> Membership:
    return Membership(engine, "events", "group", session=10, hand_over=10)


GROUP = "SELECT pg_advisory_xact_lock(hashtext('events'), hashtext('group'))"
HEADS = "SELECT FROM log_partitions FOR UPDATE"
USES: dict[str, tuple[str, Callable[[AsyncEngine], Awaitable[object]]]] = {
    "store": ("LOCK TABLE events", lambda engine: PostgresEventStore(engine, settle=25.0).add(delivered(an_event()))),
    "probe": ("LOCK TABLE events", lambda engine: PostgresEventStore(engine, settle=25.0).probe()),
    "begin a partition": (
        "LOCK TABLE partition_states",
        lambda engine: PostgresPartitionStates(engine, "events", "group").begin({0: 0}),
    ),
    "keep an oversize letter": (
        "LOCK TABLE oversize_letters",
        lambda engine: PostgresOversizeLetters(engine).keep(a_dead_letter(a_record(b"{}"))),
    ),
    "make a topic of the embedded log": ("LOCK TABLE log_partitions", lambda engine: ensure_topic(engine, "others")),
    "append to it": (HEADS, lambda engine: LogWriter(engine, "events").append([NewRecord(0, None, b"{}", ())])),
    "trim it": ("LOCK TABLE log_records", lambda engine: trim(engine, [1], 0)),
    "take part in a group": (GROUP, lambda engine: _member(engine).beat()),
    "leave a group": (GROUP, lambda engine: _member(engine).leave()),
}


@pytest.mark.parametrize("use", USES)
async def test_waiting_process_names_the_session_with_the_lock(database: Database, use: str) -> None:
    """The line of the retry has it, too."""
    lock, work = USES[use]
    engine = create_engine(replace(database, limits=Limits(lock=1.5)), application_name="tests", pool_size=2)
    await ensure_topic(engine, "events")
    async with _somebody(database, "BEGIN", lock) as session:
        name = await _name_of(session, "idle in transaction")
        with pytest.raises(Unavailable, match=f"55P03.*, held by {name}"):
            await work(engine)
    await work(engine)
    await engine.dispose()


async def test_of_several_holders_it_is_said_that_one_stood_in_the_way(database: Database) -> None:
    """A person must not end a writer, or another service's lock, that nobody has waited for."""
    engine = create_engine(replace(database, limits=Limits(lock=1.5)), application_name="tests", pool_size=2)
    async with (
        _somebody(database, "SELECT pg_advisory_lock(42)") as bystander,
        _somebody(database, "BEGIN", "LOCK TABLE events") as session,
    ):
        names = await _name_of(bystander, "idle"), await _name_of(session, "idle in transaction")
        with pytest.raises(Unavailable, match="held by one of pid") as raised:
            await PostgresEventStore(engine, settle=25.0).add(delivered(an_event()))
    assert all(re.search(name, str(raised.value)) for name in names)
    await engine.dispose()


async def test_prepared_transaction_is_named_as_such(engine: AsyncEngine) -> None:
    """It has no session that could be ended."""
    async with engine.connect() as connection:
        assert "pg_prepared_xacts" in await lock_holders._named(connection, "SELECT $1::int", 0)
