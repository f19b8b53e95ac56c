"""Where a consumer begins to read, and what it does where the log no longer has that place."""

from tests.support.events import an_event
from tests.support.world import World, as_records


async def test_a_group_without_offsets_reads_from_the_beginning(world: World) -> None:
    """The beginning is where the log begins today, which is not a gap: nobody had read before it."""
    events = [an_event() for _ in range(10)]
    await world.make_topic()
    await world.send(*as_records(events))
    await world.topics.delete(world.topic, 0, before=4)
    consumer = await world.run("consumer")
    await world.stored({event.id for event in events[4:]})
    await world.consumed(10)
    await consumer.ready()


async def test_records_deleted_before_they_were_read_stop_their_partition_alone(world: World) -> None:
    """The gap is logged and readiness tells of it; what comes after it is not skipped to, other partitions flow on."""
    before, after = [an_event() for _ in range(4)], [an_event() for _ in range(10)]
    await world.make_topic(partitions=2)
    await world.send(*as_records(before, partitions=2))
    consumer = await world.run("consumer")
    await world.consumed(4)
    assert await consumer.terminate() == 0
    await world.send(*as_records(after, partitions=2))
    await world.topics.delete(world.topic, 0, before=5)

    consumer = await world.start("consumer")
    await world.stored({event.id for event in [*before, *after[1::2]]})
    await consumer.logged("partition stopped")
    (line,) = consumer.lines("partition stopped")
    assert (line["level"], line["partition"], line["kind"], line["offset"]) == ("error", 0, "gap", 2)
    assert line["reason"] == "retention deleted 3 records before they were read"
    progress = (await consumer.parts())["progress"]
    assert progress["status"] == "DOWN"
    assert f"partition 0 is stopped at offset 2: {line['reason']}" in progress["error"]

    later = [an_event() for _ in range(2)]
    await world.send(*as_records(later, partitions=2))
    await world.stored({event.id for event in [*before, *after[1::2], later[1]]})
    assert await world.committed() == {0: 2, 1: 8}
