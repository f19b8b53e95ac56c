"""Pooled sessions: one that is no good is replaced before anybody uses it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest
import uvloop
from sqlalchemy import text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.sessions import engine as pool
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from application.ports import Outcome
from domain.errors import Unavailable, WrongDeployment
from tests.support.events import an_event, delivered
from tests.support.framing import postgres_messages
from tests.support.postgres import PostgresServer, connect
from tests.support.proxy import proxied
from tests.support.waiting import PATIENCE, eventually

STORED = Outcome.STORED
USES: dict[str, Callable[[PostgresEventStore], Awaitable[object]]] = {
    "statement": lambda store: store.ping(),
    "COPY": lambda store: store.add(delivered(an_event())),
    "COPY of many": lambda store: store.add(delivered(*(an_event() for _ in range(1_000)))),
}


class Pings:
    """How often a session was asked whether it is still good; `fail` has it answer no."""

    def __init__(self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.fail = False
        ping = engine.dialect.do_ping

        def counted(session: DBAPIConnection) -> bool:
            self.count += 1
            if self.fail:
                raise engine.dialect.loaded_dbapi.Error("no answer")
            return ping(session)

        monkeypatch.setattr(engine.dialect, "do_ping", counted)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine with a single session."""
    made = create_engine(database, application_name="tests", pool_size=1)
    yield made
    await made.dispose()


@pytest.fixture
def pings(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> Pings:
    """Those of that engine."""
    return Pings(engine, monkeypatch)


async def _use(engine: AsyncEngine) -> int:
    """Use the session; return which one it is."""
    async with engine.connect() as connection:
        pid: int = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    return pid


async def _end(database: Database, pid: int) -> None:
    """End a session from outside, and wait until it is gone."""
    other = await connect(database)
    try:
        await other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await other.close()


async def test_session_that_was_used_a_moment_ago_is_not_asked(engine: AsyncEngine, pings: Pings) -> None:
    """Three round trips would be spent for each batch."""
    first, again = await _use(engine), await _use(engine)
    assert (again, pings.count) == (first, 0)


async def test_idle_session_is_asked(engine: AsyncEngine, pings: Pings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And used on when it answers."""
    first = await _use(engine)
    monkeypatch.setattr(pool, "_TRUSTED_SECONDS", 0.0)
    again = await _use(engine)
    assert (again, pings.count) == (first, 1)


@pytest.mark.parametrize("trusted", [0.0, 60.0], ids=["idle", "used a moment ago"])
async def test_session_that_the_server_has_ended_is_replaced(
    engine: AsyncEngine, database: Database, monkeypatch: pytest.MonkeyPatch, trusted: float
) -> None:
    """Nobody notices."""
    monkeypatch.setattr(pool, "_TRUSTED_SECONDS", trusted)
    first = await _use(engine)
    await _end(database, first)
    assert await _use(engine) != first


async def test_session_that_fails_when_asked_is_replaced(
    engine: AsyncEngine, pings: Pings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the network has not reported that it is gone."""
    first = await _use(engine)
    monkeypatch.setattr(pool, "_TRUSTED_SECONDS", 0.0)
    pings.fail = True
    assert await _use(engine) != first
    assert pings.count == 1


@pytest.mark.parametrize("use", USES)
async def test_session_that_the_server_is_just_ending_counts_as_lost(database: Database, use: str) -> None:
    """Its last message comes a moment before the end of the connection, which is when the driver knows."""
    async with proxied(database.port, postgres_messages) as proxy:
        proxy.outlives_server = True
        engine = create_engine(replace(database, port=proxy.port), application_name="tests", pool_size=1)
        ending, heard = await _use(engine), proxy.answers.passed

        async def has_spoken() -> bool:
            return proxy.answers.passed > heard

        await _end(database, ending)
        await eventually(has_spoken, "the server's last word")
        with pytest.raises(Unavailable):
            await USES[use](PostgresEventStore(engine, settle=25.0))
        await engine.dispose()


@pytest.mark.parametrize("word", [b"BEGIN", b"COMMIT", b"ROLLBACK"])
async def test_session_whose_transaction_went_wrong_is_replaced(database: Database, word: bytes) -> None:
    """Where the server has refused its begin or end, driver and server disagree on whether there is one."""
    async with proxied(database.port, postgres_messages) as proxy:
        engine = create_engine(replace(database, port=proxy.port), application_name="tests", pool_size=1)
        store = PostgresEventStore(engine, settle=25.0)
        await store.add(delivered(an_event()))
        proxy.requests.damage = (word + b";", word[:-1] + b"X;")
        with suppress(WrongDeployment):
            await (store.probe() if word == b"COMMIT" else store.ping())
        assert proxy.requests.damaged == 1
        with suppress(Unavailable):
            await store.ping()
        for _ in range(3):
            await store.ping()
            assert await store.add(delivered(an_event())) == [STORED]
        await engine.dispose()


async def _breaks_a_large_copy(database: Database) -> None:
    """Cut the connection while a COPY waits for it to take more."""
    async with proxied(database.port, postgres_messages) as proxy:
        engine = create_engine(replace(database, port=proxy.port), application_name="tests", pool_size=1)
        store = PostgresEventStore(engine, settle=10 * PATIENCE)
        copying = proxy.hold("d")
        large = [an_event(payload=b'{"a":"%s"}' % (b"x" * 900_000)) for _ in range(16)]
        adding = asyncio.create_task(store.add(delivered(*large)))
        await copying.arrived()
        await proxy.cut()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Unavailable):
                await adding
        await engine.dispose()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
async def test_copy_whose_connection_breaks_is_lost_at_once(
    database: Database, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The driver would wait for the rest of the batch's time, for a connection that is gone to take more."""

    def run() -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(_breaks_a_large_copy(database))

    await asyncio.to_thread(run)


async def test_statement_whose_result_has_changed_its_type_may_be_tried_again(database: Database) -> None:
    """As after a migration."""
    engine = create_engine(database, application_name="tests", pool_size=1)
    store, stored = PostgresEventStore(engine, settle=25.0), an_event()
    await store.add(delivered(stored))
    assert await store.get(stored.id) is not None
    other = await connect(database)
    await other.execute("ALTER TABLE events ALTER COLUMN user_id TYPE varchar(300)")
    await other.close()
    with suppress(Unavailable):
        await store.get(stored.id)
    assert await store.get(stored.id) is not None
    await engine.dispose()


# What was done to a database while sessions began, and what undoes it for the sessions that begin later.
MISTAKES = {
    "read-only": ("default_transaction_read_only = on", "default_transaction_read_only"),
    "another schema": ("search_path = nowhere", "search_path"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("way", ["COPY", "INSERT"])
async def test_session_that_began_under_a_mistake_is_replaced(
    database: Database, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, mistake: str, way: str
) -> None:
    """It would keep the settings of its start, and every retry would fail, until the process is restarted."""
    impose, lift = MISTAKES[mistake]
    await postgres.execute(f'ALTER DATABASE "{database.name}" SET {impose}')
    engine = create_engine(database, application_name="tests", pool_size=1)
    store = PostgresEventStore(engine, settle=25.0)
    monkeypatch.setattr(store, "_takes_copies", way != "INSERT")
    with pytest.raises((Unavailable, WrongDeployment)):
        await store.add(delivered(an_event()))
    await postgres.execute(f'ALTER DATABASE "{database.name}" RESET {lift}')
    assert await store.add(delivered(an_event())) == [STORED]
    await engine.dispose()


async def test_old_session_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address may lead elsewhere by now, which nobody notices who only reads."""
    monkeypatch.setattr(pool, "_RECYCLE_SECONDS", 0)
    engine = create_engine(database, application_name="tests", pool_size=1)
    first = await _use(engine)
    assert await _use(engine) != first
    await engine.dispose()
