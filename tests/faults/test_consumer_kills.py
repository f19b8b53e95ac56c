"""The consumer is killed at the worst moments: a proxy keeps back the request that matters until then."""

import pytest

from tests.faults.kafka_load import KafkaLoad
from tests.faults.stage import Stage
from tests.support.records import NewRecord

_IDLE_KILLS = 4


@pytest.mark.quick
async def test_02_consumer_killed_before_the_database_commit(stage: Stage) -> None:
    """Nothing of the batch is stored yet, so the new owner reads all of it again."""
    api, consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 2)
        commit = stage.db.hold("CopyDone")
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
    """The batch is stored but its offset is not committed, so the new owner finds duplicates."""
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
    stage.struck("duplicates found by the new owner", len(successor.lines("event is a duplicate")))


@pytest.mark.quick
async def test_04_consumer_killed_between_dead_letter_and_offset_commit(stage: Stage) -> None:
    """The record's offset is not committed, so the new owner sends it to the DLQ once more, and nothing else."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        # The clients write past the proxies: only a dead letter is produced through them.
        letter = stage.brokers.hold("Produce")
        await stage.send(NewRecord(b"{poison"))
        await letter.arrived()
        commit = stage.brokers.hold("OffsetCommit")
        letter.release()
        await commit.arrived()
        stage.struck_in_flight(load, "consumer killed")
        stage.struck("dead letters without a commit", len(await stage.letters()))
        await consumer.kill9()
        commit.drop()
        stage.healed()
        await stage.run_again(consumer)
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    assert len(seen.letters) > 1
    assert {each.record.value for each in seen.letters} == {b"{poison"}


async def test_40_consumer_killed_again_and_again_while_idle(stage: Stage) -> None:
    """Nothing was in flight, so what comes next is suspected of nothing and read as fast as ever."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load(most=stage.events // 10) as load:
        await load.acknowledged(stage.events // 10)
    await stage.flows(0)
    for _ in range(_IDLE_KILLS):
        await consumer.kill9()
        consumer = await stage.run_again(consumer)
    stage.struck("consumers killed while idle", _IDLE_KILLS)
    async with KafkaLoad(f"{stage.seed}/later", stage.topics.bootstrap, stage.topic) as later:
        await later.acknowledged(stage.events)
    stage.healed()
    await stage.prove(load, later)
    assert "record by record" not in consumer.text
