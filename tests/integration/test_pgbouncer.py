"""PgBouncer between the service and its database: one session a client works, anything less is refused at start."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from adapters.postgres.sessions.errors import translated
from adapters.postgres.sessions.requirements import require_usable
from domain.errors import Unavailable, WrongDeployment
from tests.support.command import user_events
from tests.support.kafka import KafkaServer
from tests.support.legacy_service import assert_ours
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import connect
from tests.support.records import Topics
from tests.support.service import Kind, Service, Services
from tests.support.world import World

LIMITS = "'TimeZone', 'client_encoding', 'idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout'"
IGNORED = "timezone,statement_timeout,lock_timeout,idle_in_transaction_session_timeout"
POOLINGS: dict[str, dict[str, object]] = {
    "transaction": {"pool_mode": "transaction"},
    "transaction, servers in turn": {"pool_mode": "transaction", "server_round_robin": 1, "min_pool_size": 3},
    "statement": {"pool_mode": "statement"},
}


@pytest.mark.parametrize("log", ["kafka", "postgres"])
async def test_events_flow_through_sessions_of_pgbouncer(
    services: Services, empty_database: Database, kafka: KafkaServer, log: str
) -> None:
    """From an empty database on, with nothing set but where the pooler is."""
    async with pgbouncer(empty_database, pool_mode="session", default_pool_size=40) as database:
        world = World(services, database, Topics(kafka.bootstrap))
        api, consumer = [await world.run(kind, EVENT_LOG=log) for kind in ("api", "consumer")]
        event = {"userId": "user-1", "eventType": "LOGIN", "eventId": str(uuid4())}
        for user in ("user-1", "user-1", "user-2"):
            posted = await api.client.post("/events/generate", json=event | {"userId": user})
            assert posted.status_code == 201
        await world.stored([UUID(event["eventId"])])
        await consumer.logged("record dead-lettered")
        assert len(consumer.lines("event is a duplicate")) == 1
        assert (await api.client.get("/events/processed")).json()[0]["id"] == event["eventId"]
        assert [await service.terminate() for service in (api, consumer)] == [0, 0]


async def test_tables_are_migrated_and_taken_over_through_pgbouncer(empty_database: Database) -> None:
    """Two sessions, of which one has a lock."""
    async with pgbouncer(empty_database, pool_mode="session") as database:
        await asyncio.gather(migrate(database), migrate(database))
    await assert_ours(empty_database)


@pytest.mark.parametrize("ignored", [{}, {"ignore_startup_parameters": IGNORED}], ids=["refused", "ignored"])
async def test_limits_are_in_force_where_start_parameters_are_not(
    database: Database, ignored: dict[str, object]
) -> None:
    """A pooler that ignores them says nothing."""
    async with pgbouncer(database, pool_mode="session", **ignored) as pooled:
        limits = Limits(lock=0.1, statement=0.2, batch=7.0)
        engine = create_engine(replace(pooled, limits=limits), application_name="tests", pool_size=2)
        async with engine.connect() as connection:
            found = await connection.execute(
                text(f"SELECT setting FROM pg_settings WHERE name IN ({LIMITS}) ORDER BY lower(name)")
            )
            assert list(found.scalars()) == ["UTF8", "7000", "100", "200", "UTC"]
        with pytest.raises(Unavailable, match="57014"), translated():
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(30)"))
        await engine.dispose()


async def _refused(service: Service) -> str:
    """Wait for the end of a process that has to be set up otherwise; return its last line."""
    assert await service.ended() == 1
    assert "Traceback" not in service.text
    (last,) = [line for line in service.lines() if line["level"] == "critical"]
    return str(last["event"])


@pytest.mark.parametrize("migrates", ["true", "false"])
@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_pooled_transactions_end_the_start_with_the_remedy(world: World, kind: Kind, migrates: str) -> None:
    """Also where somebody else migrates."""
    async with pgbouncer(world.database, pool_mode="transaction") as pooled:
        process = await world.start(kind, DB_PORT=str(pooled.port), DB_MIGRATE=migrates)
        assert "set pool_mode = session in PgBouncer" in await _refused(process)


async def test_migrate_refuses_pooled_transactions_and_changes_nothing(empty_database: Database) -> None:
    """One line, exit code 1."""
    async with pgbouncer(empty_database, pool_mode="transaction") as pooled:
        environment = {"DB_HOST": pooled.host, "DB_PORT": str(pooled.port), "DB_NAME": pooled.name}
        environment |= {"DB_USER": pooled.user, "DB_PASSWORD": pooled.password}
        finished = await user_events("migrate", environment=environment)
    assert finished.exit_code == 1
    assert "pool_mode = session" in finished.stderr
    assert len([line for line in finished.stderr.splitlines() if line.startswith("{")]) == 1
    direct = await connect(empty_database)
    assert await direct.fetchval("SELECT to_regclass('events')") is None
    await direct.close()


@pytest.mark.parametrize("pooling", POOLINGS)
async def test_whatever_gives_a_session_to_others_is_found_out(database: Database, pooling: str) -> None:
    """Idle or used by others at the moment, and whichever server it lends next."""
    async with pgbouncer(database, **POOLINGS[pooling]) as pooled:
        for _ in range(5):
            with pytest.raises(WrongDeployment, match="pool_mode = session"):
                await require_usable(pooled)


async def test_pooled_transactions_are_found_out_while_others_use_the_pooler(database: Database) -> None:
    """Their statements come in between."""

    async def use(pooled: Database) -> None:
        other = await connect(pooled)
        try:
            while True:
                await other.execute("SELECT pg_sleep(0.001)")
        finally:
            other.terminate()

    async with pgbouncer(database, pool_mode="transaction") as pooled:
        others = [asyncio.create_task(use(pooled)) for _ in range(5)]
        for _ in range(10):
            with pytest.raises(WrongDeployment, match="pool_mode = session"):
                await require_usable(pooled)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def test_sessions_of_a_pooler_that_others_use_are_accepted(database: Database) -> None:
    """No false alarm."""
    async with pgbouncer(database, pool_mode="session") as pooled:
        others = [await connect(pooled) for _ in range(3)]
        for _ in range(5):
            await require_usable(pooled)
        for other in others:
            await other.close()
