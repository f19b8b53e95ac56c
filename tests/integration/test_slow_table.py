"""A table that takes rows more slowly than a batch may last: smaller batches are tried, down to one record."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from tests.integration.test_refusing_table import Moving, execute, ids, refuse, with_culprit_at
from tests.support.events import an_event
from tests.support.world import World

_LIMIT_SECONDS = 0.5
_SLOW = "PERFORM pg_sleep(0.004)"
_TOO_SLOW = "PERFORM pg_sleep(30)"


@pytest.fixture
async def hasty(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine whose statements may not last long; who changes the table beside it has the patience of an operator."""
    limits = Limits(lock=_LIMIT_SECONDS / 2, statement=_LIMIT_SECONDS, batch=2 * _LIMIT_SECONDS)
    made = create_engine(replace(database, limits=limits), application_name="tests", pool_size=5)
    yield made
    await made.dispose()


@pytest.mark.parametrize("duplicates", [0, 1], ids=["new ids", "ids that stand there already"])
async def test_batch_slower_than_the_limit_is_stored_in_smaller_ones_that_grow_again(
    engine: AsyncEngine, hasty: AsyncEngine, caplog: pytest.LogCaptureFixture, duplicates: int
) -> None:
    """Nothing is dead-lettered, and each smaller batch is committed at once."""
    caplog.set_level("INFO")
    moving = Moving(hasty, batch_size=1_000)
    known = [an_event() for _ in range(10 * duplicates)]
    events = [an_event() for _ in range(1_000)]
    moving.append(*known)
    async with moving.running():
        await moving.commits(len(known))
        await refuse(engine, "true", _SLOW)
        moving.append(*events, *known)
        await moving.commits(1)
        await moving.commits(1_000 + 2 * len(known))
        await execute(engine, "DROP TRIGGER refuse ON events")
        moving.append(*(later := [an_event() for _ in range(3_000)]))
        await moving.commits(4_000 + 2 * len(known))
    assert moving.letters == []
    assert set(await ids(engine)) == {event.id for event in (*known, *events, *later)}
    assert "trying smaller batches" in caplog.text
    assert "batches have their usual size again" in caplog.text


async def test_record_that_alone_exceeds_the_limit_is_a_dead_letter(engine: AsyncEngine, hasty: AsyncEngine) -> None:
    """Others can be written meanwhile."""
    await refuse(engine, "NEW.user_id = 'refused'", _TOO_SLOW)
    moving = Moving(hasty)
    moving.append(*with_culprit_at(2))
    async with moving.running():
        await moving.commits(20)
    assert moving.letters == [("rejected", 2)]
    assert len(await ids(engine)) == 19


async def test_table_that_takes_nothing_in_time_for_a_while_costs_no_dead_letter(
    engine: AsyncEngine, hasty: AsyncEngine
) -> None:
    """Not even where a single record is tried."""
    await refuse(engine, "true", _TOO_SLOW)
    moving = Moving(hasty)
    moving.append(*with_culprit_at(0, count=5))
    async with moving.running():
        await moving.pauses()
        await moving.keeps_trying(5 * _LIMIT_SECONDS)
        assert (moving.letters, moving.committed()) == ([], 0)
        await execute(engine, "DROP TRIGGER refuse ON events")
        await moving.commits(5)
    assert moving.letters == []


async def test_slow_partition_leaves_the_size_of_others_alone(engine: AsyncEngine, hasty: AsyncEngine) -> None:
    """What troubles one does not trouble the others for long."""
    await refuse(engine, "NEW.log_partition = 0", "PERFORM pg_sleep(0.1)")
    moving = Moving(hasty, batch_size=1_000)
    moving.append(*(an_event() for _ in range(20)))
    moving.append(*(an_event() for _ in range(2_000)), partition=1)
    async with moving.running():
        await moving.commits(2_000, partition=1)
        await moving.commits(20)
    assert moving.letters == []


@pytest.mark.parametrize("log", ["kafka", "postgres"])
async def test_consumer_that_advances_by_small_batches_makes_progress(world: World, log: str) -> None:
    """The watchdog sees it move for longer than its limit."""
    environment = {
        "EVENT_LOG": log,
        "DB_STATEMENT_TIMEOUT_SECONDS": "1",
        "DB_LOCK_TIMEOUT_SECONDS": "0.5",
        "PUBLISH_TIMEOUT_SECONDS": "2",
        "WATCHDOG_SECONDS": "5",
    }
    api = await world.run("api", **environment)
    consumer = await world.run("consumer", **environment)
    await world.query(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END'"
    )
    await world.query("CREATE TRIGGER dawdle BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION dawdle()")
    events = [an_event() for _ in range(600)]
    batch = [{"eventId": str(event.id), "userId": "user-1", "eventType": "LOGIN"} for event in events]
    answer = await api.client.post("/events/batch", json=batch)
    assert answer.status_code == 200
    await world.stored({event.id for event in events}, within=90)
    assert await consumer.is_ready()
    assert consumer.lines("trying smaller batches")
    assert consumer.lines("no progress") == []
    assert consumer.exit_code is None
