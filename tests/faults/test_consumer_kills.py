"""The consumer is killed at the worst moments; the request that matters is held until the state is reached."""

import pytest

from tests.faults.stage import Stage


@pytest.mark.quick
async def test_02_consumer_killed_before_the_database_commit(stage: Stage) -> None:
    """Nothing of the batch stands yet, so its heir reads all of it again."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.db.hold("COMMIT")
        await commit.arrived()
        stage.struck_in_flight(load, "consumer killed")
        await consumer.kill9()
        commit.drop()
        stage.healed()
        await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    await stage.prove(load)


@pytest.mark.quick
async def test_03_consumer_killed_between_database_and_offset_commit(stage: Stage) -> None:
    """The batch stands but counts as unread, so its heir finds duplicates."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.brokers.hold("OffsetCommit")
        await commit.arrived()
        stage.struck_in_flight(load, "consumer killed")
        await consumer.kill9()
        commit.drop()
        stage.healed()
        successor = await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    await stage.prove(load)
    stage.struck("duplicates found by the heir", len(successor.lines("event is a duplicate")))
