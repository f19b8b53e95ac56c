"""PostgreSQL goes away, drops sessions, or locks the table: batches are retried, and nothing is dead-lettered."""

import asyncio
import time

import pytest

from tests.faults.stage import Stage
from tests.support.postgres import connect

_STOPS = 6
_TERMINATING_SECONDS = 8.0
_PAUSE_SECONDS = 0.2
_LOCKED_SECONDS = 60.0
_TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name LIKE 'user-events%' AND datname = current_database()
"""


@pytest.mark.quick
async def test_17_postgresql_stops_at_once_again_and_again(stage: Stage) -> None:
    """Each time it recovers as after a crash; what it had not confirmed is stored again, once."""
    await stage.run("consumer")
    crashes = stage.postgres.log.count("database system was not properly shut down")
    async with stage.kafka_load() as load:
        for number in range(1, _STOPS + 1):
            await load.acknowledged(stage.events * number // (_STOPS + 1))
            commit = stage.db.hold("CopyDone")
            await commit.arrived()
            stage.struck_in_flight(load, f"stop {number}")
            await stage.postgres.stop()
            commit.drop()
            await stage.postgres.start()
        await stage.heal()
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("recoveries", stage.postgres.log.count("database system was not properly shut down") - crashes)
    assert seen.letters == []


async def test_18_sessions_are_terminated_again_and_again(stage: Stage) -> None:
    """As an administrator does, or a pooler that is restarted."""
    await stage.run("consumer")
    told = stage.postgres.log.count("terminating connection due to administrator command")
    administrator = await connect(stage.database)
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        stage.struck_in_flight(load, "sessions terminated")
        until = time.monotonic() + _TERMINATING_SECONDS
        while time.monotonic() < until:
            await administrator.execute(_TERMINATE)
            await asyncio.sleep(_PAUSE_SECONDS)
        stage.healed()
        await load.acknowledged(stage.events)
    await administrator.close()
    seen = await stage.prove(load)
    stage.struck(
        "sessions terminated", stage.postgres.log.count("terminating connection due to administrator command") - told
    )
    assert seen.letters == []


async def test_19_table_is_locked_for_a_minute(stage: Stage) -> None:
    """Every attempt ends at the limit for a wait; the consumer keeps its partitions and stores all in the end."""
    consumer = await stage.run("consumer")
    refusals = stage.postgres.log.count("canceling statement due to lock timeout")
    locker = await connect(stage.database)
    async with stage.kafka_load(most=stage.events) as load:
        await load.acknowledged(stage.events // 4)
        async with locker.transaction():
            await locker.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            stage.struck_in_flight(load, "table locked")
            until = time.monotonic() + _LOCKED_SECONDS
            await consumer.logged("partition paused: dependency unavailable")
            await consumer.degraded()
            await asyncio.sleep(until - time.monotonic())
        stage.healed()
        await load.acknowledged(stage.events)
    await locker.close()
    seen = await stage.prove(load)
    stage.struck(
        "attempts ended by the lock", stage.postgres.log.count("canceling statement due to lock timeout") - refusals
    )
    assert consumer.text.count(f"Joined group '{stage.group}'") == 1
    assert seen.letters == []
