"""Both processes with the log in PostgreSQL, where no Kafka can be reached."""

import asyncio
from signal import SIGTERM
from uuid import UUID, uuid4

import pytest

from adapters.postgres.sessions.database import Database
from entrypoints.config.program import commit, release
from entrypoints.dev.local_postgres import LocalPostgres
from tests.support.load import load
from tests.support.records import Topics
from tests.support.service import Kind, Service, Services
from tests.support.world import World

EMBEDDED = {"EVENT_LOG": "postgres"}
NOWHERE = "127.0.0.1:9"


@pytest.fixture
def world(services: Services, database: Database) -> World:
    """A world without Kafka."""
    return World(services, database, Topics(NOWHERE))


async def run(world: World, *kinds: Kind) -> list[Service]:
    """Start processes and wait until they are ready."""
    return await asyncio.gather(*(world.run(kind, **EMBEDDED) for kind in kinds))


async def letters(world: World) -> list[bytes]:
    """The values of the dead letters."""
    rows = await world.query(
        "SELECT value FROM log_records JOIN log_partitions ON partition_id = log_partitions.id WHERE topic = $1",
        world.dlq_topic,
    )
    return [row["value"] for row in rows]


async def test_a_posted_event_is_stored_and_listed_and_a_conflict_dead_lettered(world: World) -> None:
    """As with Kafka."""
    api, consumer = await run(world, "api", "consumer")
    event = {"userId": "user-1", "eventType": "LOGIN", "eventId": str(uuid4())}
    for user in ("user-1", "user-1", "user-2"):
        posted = await api.client.post("/events/generate", json=event | {"userId": user})
        assert posted.status_code == 201
    await world.stored([UUID(event["eventId"])])
    await consumer.logged("record dead-lettered")
    shown = (await api.client.get(f"/events/{event['eventId']}")).json()
    assert shown["user_id"] == "user-1"
    assert (await api.client.get("/events/processed")).json() == [shown]
    assert len(consumer.lines("event is a duplicate")) == 1
    (letter,) = await letters(world)
    assert b"user-2" in letter


async def test_a_request_is_one_line_with_its_id_and_its_process(world: World) -> None:
    """As JSON, in this order of fields."""
    [api] = await run(world, "api")
    [begun] = api.lines("starting")
    assert (begun["version"], begun["commit"]) == (release(), commit())
    posted = await api.client.post("/events/generate?of=jane", content=b"{", headers={"x-request-id": "id-1"})
    await api.logged("request")
    line = next(line for line in api.lines("request") if line["request_id"] == "id-1")
    assert line.pop("duration_ms") >= 0
    assert line.pop("timestamp").endswith("Z")
    assert list(line.items()) == [
        ("event", "request"),
        ("process", "api"),
        ("request_id", "id-1"),
        ("method", "POST"),
        ("path", "/events/generate"),
        ("status", posted.status_code),
        ("reason", posted.json()["detail"]),
        ("fields", ["of"]),
        ("logger", "entrypoints.http.middleware"),
        ("level", "info"),
    ]


async def test_without_the_database_the_api_is_not_ready(services: Services, local: LocalPostgres) -> None:
    """The log is in it: no request can be served."""
    database = Database(local.host, local.port, local.user, local.password, local.database)
    world = World(services, database, Topics(NOWHERE))
    api, consumer = await run(world, "api", "consumer")
    await asyncio.to_thread(local.stop)
    await asyncio.gather(api.not_ready(), consumer.not_ready())
    answer = await api.client.post("/events/generate", json={"userId": "user-1", "eventType": "LOGIN"})
    assert answer.status_code == 503
    await asyncio.to_thread(local.start)
    await asyncio.gather(api.ready(), consumer.ready())


async def test_a_killed_consumer_costs_nothing(world: World) -> None:
    """Its successor stores what it left, each event once."""
    api, consumer = await run(world, "api", "consumer")
    async with load(api) as posted:
        await posted.more(100)
        await consumer.kill9()
        await posted.more(100)
    await run(world, "consumer")
    await world.stored(posted.accepted, perhaps=posted.unknown)
    assert await letters(world) == []


async def test_signalled_under_load_both_end_in_order_and_lose_nothing(world: World) -> None:
    """Each event that was answered with 201 is in the table once a consumer has run again."""
    processes = await run(world, "api", "consumer")
    async with load(processes[0]) as posted:
        await posted.more(200)
        for process in processes:
            process.signal(SIGTERM)
        assert await asyncio.gather(*(process.ended() for process in processes)) == [0, 0]
    await run(world, "consumer")
    await world.stored(posted.accepted, perhaps=posted.unknown)
    assert await letters(world) == []
