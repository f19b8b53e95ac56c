"""A commit counts only once the synchronous standby has it, also where the rows were stored before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.dead_letters.index.dead_letter_index import PostgresDeadLetterIndex
from adapters.postgres.erasures import PostgresErasures
from adapters.postgres.event_log.dead_letter_queue import PostgresDeadLetterQueue
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.topics import ensure_topic
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.oversize_letters import PostgresOversizeLetters
from adapters.postgres.partition_states import PostgresPartitionStates
from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from application.ports import Halt, HaltKind, Outcome, Receipt
from domain.errors import Unavailable
from tests.support.events import a_dead_letter, a_record, an_event, delivered
from tests.support.framing import postgres_messages
from tests.support.legacy_service import fetch
from tests.support.letters import a_letter
from tests.support.postgres import connect
from tests.support.proxy import proxied
from tests.support.standby import Replicated, replicated
from tests.support.waiting import eventually

IN_VAIN = Limits(connect=5.0, lock=0.5, statement=0.8, batch=1.0)
"""For a session that waits for a standby that is not there."""
EVENT = an_event()
_WAITING = """
SELECT pid, query_start FROM pg_stat_activity
WHERE wait_event = 'SyncRep' AND datname = current_database() AND query_start > $1
"""
_IS_REPLAYED = "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication"


async def _publish(engine: AsyncEngine) -> None:
    """Not idempotent: what was not acknowledged may appear twice."""
    await ensure_topic(engine, "events")
    (outcome,) = await PostgresEventPublisher(engine, "events").publish([EVENT])
    if not isinstance(outcome, Receipt):
        raise outcome


async def _park(engine: AsyncEngine) -> None:
    await ensure_topic(engine, "letters")
    await PostgresDeadLetterQueue(engine, "letters").send([a_dead_letter(a_record(b"bad"))])


async def _erasures(engine: AsyncEngine) -> None:
    """Written by another, whose wait for the standby was cancelled."""
    erased = await PostgresErasures(engine).erased_at({"erased"})
    assert erased == {"erased": datetime(2026, 1, 1, tzinfo=UTC)}


USES: dict[str, Callable[[AsyncEngine], Awaitable[object]]] = {
    "event": lambda engine: PostgresEventStore(engine, settle=25.0).add(delivered(EVENT)),
    "canary": lambda engine: PostgresEventStore(engine, settle=25.0).probe(),
    "oversize letter": lambda engine: PostgresOversizeLetters(engine).keep(a_dead_letter(a_record(b"large"))),
    "note": lambda engine: PostgresDeadLetterIndex(engine, "events").note([a_letter(1)]),
    "begin": lambda engine: PostgresPartitionStates(engine, "events", "group").begin({0: 7}),
    "halt": lambda engine: PostgresPartitionStates(engine, "events", "group").halt(0, Halt(HaltKind.GAP, 7, "gone")),
    "resume": lambda engine: PostgresPartitionStates(engine, "events", "group").resume(),
    "publish": _publish,
    "send": _park,
    "erasures": _erasures,
}


@pytest.fixture(scope="module")
def servers() -> Iterator[Replicated]:
    """A primary whose commits wait for a standby."""
    with replicated({"fsync": "off"}) as made:
        yield made


@pytest.fixture
async def database(servers: Replicated) -> AsyncIterator[Database]:
    """A migrated database on the primary."""
    name = f"test_{uuid4().hex}"
    await servers.server.create(name)
    made = replace(servers.server.admin, name=name)
    await migrate(made)
    yield made
    await asyncio.to_thread(servers.standby.start)
    await servers.in_sync()
    await servers.server.drop(name)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine on `database`."""
    made = create_engine(database, application_name="tests", pool_size=5)
    yield made
    await made.dispose()


@pytest.mark.parametrize("use", USES)
async def test_rows_stored_before_wait_for_the_standby(
    servers: Replicated, database: Database, engine: AsyncEngine, use: str
) -> None:
    """The first try ends by its limit, which leaves visible what no standby has: the next ones may not believe it."""
    if use == "resume":
        await USES["halt"](engine)
    if use in {"publish", "send"}:
        # Makes the topic.
        await USES[use](engine)
    hasty = create_engine(replace(database, limits=IN_VAIN), application_name="tests", pool_size=5)
    await asyncio.to_thread(servers.standby.stop)
    if use == "erasures":
        await _write_unconfirmed(database, "INSERT INTO erased_users VALUES ('erased', '2026-01-01Z')")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await USES[use](hasty)
    await hasty.dispose()
    await asyncio.to_thread(servers.standby.start)
    await servers.in_sync()
    await USES[use](engine)


async def _write_unconfirmed(database: Database, statement: str) -> None:
    """Write what stays visible although its wait for the standby is cancelled."""
    session = await connect(database)
    await session.execute("SET synchronous_commit = local")
    await session.execute(statement)
    await session.close()


WAYS = ["COPY", "INSERT", "oversize letter", "halt", "publish"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_again", [False, True], ids=["once", "twice"])
async def test_success_after_a_cancelled_wait_is_not_believed(
    servers: Replicated,
    database: Database,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    *,
    way: str,
    is_again: bool,
) -> None:
    """The server reports success, with a warning: the service waits once more, and fails if that is cancelled."""
    if way == "publish":
        await ensure_topic(engine, "events")
    store = PostgresEventStore(engine, settle=25.0)
    monkeypatch.setattr(store, "_takes_copies", way != "INSERT")
    await asyncio.to_thread(servers.standby.stop)
    work = store.add(delivered(EVENT)) if way in {"COPY", "INSERT"} else USES[way](engine)
    using = asyncio.ensure_future(work)
    administrator = await connect(database)
    pid, since = await _waiting(administrator, datetime.min.replace(tzinfo=UTC))
    assert await administrator.fetchval("SELECT pg_cancel_backend($1)", pid)
    await _waiting(administrator, since)
    if is_again:
        assert await administrator.fetchval("SELECT pg_cancel_backend($1)", pid)
        with pytest.raises(Unavailable, match="standby"):
            await using
    else:
        assert not using.done()
        await asyncio.to_thread(servers.standby.start)
        await using
    await administrator.close()


async def _waiting(administrator: asyncpg.Connection, since: datetime) -> tuple[int, datetime]:
    """Wait until a session waits for the standby by a later statement than `since`; return which, and since when."""
    found: list[tuple[int, datetime]] = []

    async def is_found() -> bool:
        found[:] = [tuple(row) for row in await administrator.fetch(_WAITING, since)]
        return bool(found)

    await eventually(is_found, "a session that waits for the standby")
    return found[0]


async def test_address_that_led_to_the_standby_for_a_while_heals(servers: Replicated, database: Database) -> None:
    """Although the connections that were made meanwhile stay open."""
    async with proxied(database.port, postgres_messages) as proxy:
        engine = create_engine(replace(database, port=proxy.port), application_name="tests", pool_size=1)
        store, stored = PostgresEventStore(engine, settle=25.0), an_event()
        await store.add(delivered(stored))

        async def is_replicated() -> bool:
            return await fetch(database, "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication") == [
                (True,)
            ]

        await eventually(is_replicated, "the event on the standby")
        proxy.server_port = servers.standby.port
        await proxy.cut()
        with suppress(Unavailable):
            await store.ping()
        await store.ping()
        with pytest.raises(Unavailable, match="25006"):
            await store.add(delivered(an_event()))
        # Nor is a duplicate believed there: the row may be on this standby only.
        store._wary_for = 1
        with pytest.raises(Unavailable, match="XX000"):
            await store.add(delivered(stored))
        proxy.server_port = database.port
        assert await store.add(delivered(an_event())) == [Outcome.STORED]
        assert await store.add(delivered(stored)) == [Outcome.DUPLICATE]
        await engine.dispose()
