"""A database that does not fit what is deployed: the consumer ends with one clear line, the api names it."""

from uuid import UUID, uuid4

import pytest

from tests.support.events import an_event
from tests.support.service import Service
from tests.support.world import World, as_records

EMBEDDED = {"EVENT_LOG": "postgres"}
EVENT = {"userId": "user-1", "eventType": "LOGIN"}


async def ends_with(consumer: Service, told: str) -> None:
    """Return when it has ended with exit code 1 and one line that says why."""
    assert await consumer.ended() == 1
    (last,) = [line for line in consumer.lines() if line["level"] == "critical"]
    assert last["event"].startswith("ended: database: SQLSTATE 42")
    assert told in last["event"]
    assert "Traceback" not in consumer.text
    assert "Unclosed" not in consumer.text


@pytest.mark.parametrize(
    ("log", "table"),
    [("kafka", "partition_states"), ("postgres", "partition_states"), ("postgres", "log_members")],
)
async def test_missing_table_that_reading_needs_ends_the_start(world: World, log: str, table: str) -> None:
    """It is no fault of the log's client, which is not made anew."""
    environment = {"EVENT_LOG": log}
    consumer = await world.run("consumer", **environment)
    assert await consumer.terminate() == 0
    await world.query(f"DROP TABLE {table} CASCADE")
    consumer = await world.start("consumer", **environment)
    await ends_with(consumer, table)


async def test_table_of_another_shape_ends_the_start(world: World) -> None:
    """As does a missing one."""
    consumer = await world.run("consumer")
    assert await consumer.terminate() == 0
    await world.query("ALTER TABLE partition_states RENAME TO hidden")
    await world.query("CREATE TABLE partition_states (x int)")
    consumer = await world.start("consumer")
    await ends_with(consumer, "partition_states")


@pytest.mark.parametrize("table", ["log_members", "log_claims", "log_records"])
async def test_table_that_is_gone_meanwhile_ends_the_consumer(world: World, table: str) -> None:
    """Whether it is reading, committing or only keeping its place in the group."""
    consumer = await world.run("consumer", **EMBEDDED)
    await world.query(f"DROP TABLE {table} CASCADE")
    await ends_with(consumer, table)


async def test_table_of_the_log_that_is_gone_is_answered_with_the_id_to_retry_with(world: World) -> None:
    """The api lives on, and takes events once the table is back."""
    api = await world.run("api", **EMBEDDED)
    await world.query("ALTER TABLE log_records RENAME TO hidden")
    answer = await api.client.post("/events/generate", json=EVENT)
    assert answer.status_code == 503
    UUID(answer.json()["eventId"])
    (result,) = (await api.client.post("/events/batch", json=[EVENT])).json()["results"]
    assert result["status"] == "retry"
    assert (await api.client.get("/health")).status_code == 200
    await world.query("ALTER TABLE hidden RENAME TO log_records")
    assert (await api.client.post("/events/generate", json=EVENT)).status_code == 201


async def test_missing_table_ends_the_consumer_in_the_middle_of_its_work(world: World) -> None:
    """Nothing is committed that is not stored."""
    await world.make_topic()
    consumer = await world.run("consumer")
    await world.query("ALTER TABLE events RENAME TO hidden")
    await world.send(*as_records([an_event()]))
    await ends_with(consumer, "events")
    assert sum((await world.committed()).values()) == 0
    assert await world.letters() == []


async def test_missing_right_to_a_table_that_reading_needs_ends_the_start(world: World) -> None:
    """Unlike a right to the topic, which brokers may learn of at any moment, and which is waited for."""
    consumer = await world.run("consumer")
    assert await consumer.terminate() == 0
    role = f"test_{uuid4().hex}"
    await world.query(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        for rights in ("SELECT, INSERT ON events", "SELECT ON user_events_version"):
            await world.query(f"GRANT {rights} TO {role}")
        consumer = await world.start("consumer", DB_USER=role, DB_PASSWORD="secret", DB_MIGRATE="false")
        await ends_with(consumer, "partition_states")
    finally:
        await world.query(f"DROP OWNED BY {role}")
        await world.query(f"DROP ROLE {role}")
