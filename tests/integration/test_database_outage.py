"""A database that is down, or up but not for us: all is retried, nothing is dead-lettered, and nothing is lost."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from adapters.postgres.sessions.database import Database
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.framing import postgres_messages
from tests.support.kafka import KafkaServer
from tests.support.load import Load, load
from tests.support.postgres import PostgresServer
from tests.support.proxy import proxied
from tests.support.records import Topics
from tests.support.service import Service, Services
from tests.support.world import World
from tools.kafka import probe

CUTS = 25


@pytest.fixture
def admin(local: LocalPostgres) -> PostgresServer:
    """That server, for one who may do anything on it."""
    return PostgresServer(Database(local.host, local.port, local.user, local.password, local.database), local)


@pytest.fixture
async def database(admin: PostgresServer) -> AsyncIterator[Database]:
    """An empty database, owned by a user of this test's own."""
    name, password = f"test_{uuid4().hex}", secrets.token_hex()
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    await admin.create(name)
    await admin.execute(f"ALTER DATABASE {name} OWNER TO {name}")
    yield replace(admin.admin, name=name, user=name, password=password)
    await admin.drop(name)
    await admin.execute(f"DROP ROLE {name}")


async def hold(world: World, consumer: Service) -> dict[int, int]:
    """Wait until the consumer logs that it retries; return the offsets, which must not move any more."""
    await consumer.logged("partition paused: dependency unavailable")
    await consumer.not_up()
    return await world.committed()


async def flow_again(world: World, consumer: Service, posted: Load) -> None:
    """See that in the end all events are in the table and none in the dead-letter topic."""
    await world.stored(posted.accepted, perhaps=posted.unknown)
    await consumer.ready()
    assert await world.letters() == []


@pytest.mark.parametrize("immediate", [False, True], ids=["fast", "immediate"])
async def test_a_database_that_stops_under_load_delays_events_only(
    world: World, local: LocalPostgres, immediate: bool
) -> None:
    """The api goes on taking events; when the database is back the consumer stores them and is ready again."""
    api, consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    async with load(api) as posted:
        await posted.more(50)
        await asyncio.to_thread(local.stop, immediate=immediate)
        try:
            offsets = await hold(world, consumer)
            await posted.more(100)
            assert await world.committed() == offsets
        finally:
            await asyncio.to_thread(local.start)
        await posted.more(50)
    await flow_again(world, consumer, posted)


async def test_connections_that_break_again_and_again_cost_neither_event_nor_process(
    world: World, database: Database
) -> None:
    """Whatever a transaction is about when it happens, even where nobody knows whether it was committed."""
    api = await world.run("api")
    async with proxied(database.port, postgres_messages) as proxy:
        consumer = await world.run("consumer", DB_PORT=str(proxy.port))
        async with load(api) as posted:
            for _ in range(CUTS):
                await posted.more(5)
                await proxy.cut()
        await flow_again(world, consumer, posted)
        assert await consumer.terminate() == 0


REFUSALS = {
    "read-only": (
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "ALTER DATABASE {name} RESET default_transaction_read_only",
    ),
    "login refused": ("ALTER ROLE {name} PASSWORD 'another'", "ALTER ROLE {name} PASSWORD '{password}'"),
    "no such database": ("ALTER DATABASE {name} RENAME TO {name}_gone", "ALTER DATABASE {name}_gone RENAME TO {name}"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_database_that_refuses_us_delays_events_only(
    world: World, database: Database, admin: PostgresServer, refusal: str
) -> None:
    """What a person has to mend on the server is waited for like an outage."""
    impose, lift = (each.format(name=database.name, password=database.password) for each in REFUSALS[refusal])
    api, consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    async with load(api) as posted:
        await posted.more(50)
        await admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
        await end_sessions(admin, database)
        await admin.execute(impose)
        if refusal != "no such database":
            await admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
        offsets = await hold(world, consumer)
        await posted.more(50)
        assert await world.committed() == offsets
        await admin.execute(lift)
        await admin.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
        await end_sessions(admin, database)
        await posted.more(50)
    await flow_again(world, consumer, posted)


async def end_sessions(admin: PostgresServer, database: Database) -> None:
    """End the sessions that began before a change, since it concerns only new ones."""
    await admin.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database.name}'"
    )


async def test_the_database_may_be_down_and_the_api_is_ready_to_publish(world: World, local: LocalPostgres) -> None:
    """A balancer that goes by readiness keeps sending events; the consumer, which has nowhere to store them, is not."""
    api, consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    await asyncio.to_thread(local.stop)
    try:
        await asyncio.gather(api.degraded(), consumer.not_ready())
        async with load(api) as posted:
            await posted.more(20)
        assert (await api.client.get("/events/processed")).status_code == 503
        report = await api.client.get("/health/ready")
        database = report.json()["parts"]["database"]
        assert (database["status"], database["error"]) == ("DOWN", "unavailable")
        assert database["since"].endswith("Z")
        assert "reads answer 503" in database["action"]
        # The api's port is for strangers, the consumer's for operators; the api's own log has it all.
        address = [local.host, str(local.port), world.database.user]
        assert [word for word in address if word in report.text] == []
        assert (await consumer.parts())["database"]["detail"].startswith("database: ")
        await api.logged("readiness changed")
        (line,) = api.lines("readiness changed")
        assert (line["part"], line["status"]) == ("database", "DOWN")
        assert line["cause"].startswith("database: ")
    finally:
        await asyncio.to_thread(local.start)
    await flow_again(world, consumer, posted)
    await api.ready()


async def test_an_api_that_starts_without_a_database_takes_events(
    services: Services, database: Database, kafka: KafkaServer
) -> None:
    """It is alive and degraded, answers 201, and the events are stored later."""
    (nobody,) = probe.free_ports(1)
    world = World(services, database, Topics(kafka.bootstrap))
    api = await world.start("api", DB_PORT=str(nobody))
    await api.degraded()
    assert (await api.client.get("/health")).json() == {"status": "UP"}
    async with load(api) as posted:
        await posted.more(20)
    parts = await api.parts()
    assert {name for name, part in parts.items() if part["status"] == "DOWN"} == {"database", "preparation"}
    consumer = await world.run("consumer")
    await flow_again(world, consumer, posted)
