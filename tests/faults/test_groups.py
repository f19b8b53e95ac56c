"""The group's share of the topic changes: members, partitions, positions, and what retention has left."""

import asyncio
import json
from uuid import UUID

from tests.faults.invariants import PROMISES
from tests.faults.stage import Stage
from tests.support.waiting import eventually

_STAY_SECONDS = 2.0
_GUESTS = 6
_READ_WITHIN_SECONDS = 30.0


async def test_21_rebalance_storm(stage: Stage) -> None:
    """A member joins every 2 s, and another one leaves or is killed; nobody commits what it no longer has."""
    await stage.run("consumer")
    joined = stage.brokers.seen["JoinGroup"]
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 4)
        load.pause = 0.25
        guest = await stage.start("consumer")
        for number in range(_GUESTS):
            await guest.logged("schema and topics are ready")
            await asyncio.sleep(_STAY_SECONDS)
            successor = await stage.start("consumer")
            await load.busy()
            stage.struck_in_flight(load, "member gone")
            if number % 3 == 2:
                await guest.kill9()
            else:
                assert await guest.terminate() == 0
            guest = successor
        stage.healed()
        await load.acknowledged(stage.events)
    stage.struck("requests to join", stage.brokers.seen["JoinGroup"] - joined)
    await stage.prove(load)


async def test_27_offsets_reset_to_the_beginning(stage: Stage) -> None:
    """Everything is delivered twice and stored once."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        await stage.consumed(stage.events // 2)
        assert await consumer.terminate() == 0
        await stage.topics.reset(stage.group, stage.topic)
        stage.struck_in_flight(load, "offsets reset")
        load.pause = 0.1
        successor = await stage.run("consumer")
        stage.healed()
        await load.acknowledged(stage.events)
    await stage.prove(load)
    duplicates = len(successor.lines("event is a duplicate"))
    stage.struck("duplicates found", duplicates)
    assert duplicates >= stage.events // 2


async def test_29_partitions_added(stage: Stage) -> None:
    """What is published to new partitions is read within 30 s, and nothing is lost on the way there."""
    await stage.topics.make(stage.topic, partitions=2)
    api, _consumer = await stage.run_both()
    async with stage.http_load(api) as load:
        await load.acknowledged(stage.events // 4)
        stage.struck_in_flight(load, "partitions added")
        await stage.topics.grow(stage.topic, partitions=4)
        started = asyncio.get_running_loop().time()
        load.pause = 0.1
        # These clients know of the new partitions at once.
        async with stage.kafka_load(most=stage.events // 4) as others:
            await others.acknowledged(stage.events // 4)
        ends = await stage.topics.ends(stage.topic)
        assert min(ends[2], ends[3]) > 0

        async def are_read() -> bool:
            committed = await stage.committed()
            return all(committed.get(partition, 0) >= ends[partition] for partition in (2, 3))

        await eventually(are_read, "new partitions read", within=_READ_WITHIN_SECONDS)
        stage.struck("seconds until they were read", asyncio.get_running_loop().time() - started)
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    # A user's events move to another partition with the change, which the design exempts from D.
    await stage.prove(load, others, promises=PROMISES.keys() - {"D"})


async def test_31_retention_passes_an_unread_offset(stage: Stage) -> None:
    """That partition is halted and reports how much is gone; the others go on; once resumed it reads what is left."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 4)
        await stage.consumed(stage.events // 8)
        assert await consumer.terminate() == 0
        await load.more(stage.events // 4)
        load.pause = 0.25
        start, end = (await stage.committed())[0], (await stage.topics.ends(stage.topic))[0]
        gone = range(start, (start + end) // 2)
        deleted = [each for each in await stage.topics.read(stage.topic, partition=0) if each.offset < gone.stop]
        await stage.topics.delete(stage.topic, 0, before=gone.stop)
        await load.busy()
        stage.struck_in_flight(load, "unread records deleted")
        successor = await stage.start("consumer")
        await successor.logged("partition halted")
        await successor.degraded()
        await stage.flows(1)
        await stage.resume()
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    ids = {record.offset: UUID(json.loads(record.value)["eventId"]) for record in deleted}
    load.history.exempt(ids.values())
    seen = await stage.prove(load)
    assert {ids[offset] for offset in ids if offset < gone.start} <= {row.id for row in seen.rows}
    (line,) = successor.lines("partition halted")
    assert (line["partition"], line["offset"]) == (0, gone.start)
    assert line["reason"] == f"retention deleted {len(gone)} records before they were read"
    stage.struck("records deleted before they were read", len(gone))
