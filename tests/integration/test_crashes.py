"""A consumer that is killed at the worst moments: its successor stores every event once and loses none."""

from tests.support.events import an_event
from tests.support.framing import postgres_messages
from tests.support.proxy import Proxy, proxied
from tests.support.world import World, as_records

EVENTS = [an_event() for _ in range(20)]
IDS = {event.id for event in EVENTS}


async def test_killed_before_the_database_commit_everything_is_read_again(
    fragile_world: World, kafka_proxy: Proxy
) -> None:
    """Nothing was stored and no offset committed, so the successor begins where the killed one did."""
    world = fragile_world
    await world.make_topic(partitions=2)
    async with proxied(world.database.port, postgres_messages) as proxy:
        consumer = await world.run("consumer", DB_PORT=str(proxy.port))
        commit = proxy.hold("CopyDone")
        await world.send(*as_records(EVENTS, partitions=2))
        await commit.arrived()
        await consumer.kill9()
        commit.drop()
        assert await world.ids() == set()
        assert kafka_proxy.seen["OffsetCommit"] == 0
        successor = await world.run("consumer")
    await world.stored(IDS)
    await world.consumed(len(EVENTS))
    assert successor.lines("event is a duplicate") == []
    assert await world.letters() == []


async def test_killed_between_database_and_offset_commit_everything_counts_once(
    fragile_world: World, kafka_proxy: Proxy
) -> None:
    """The rows are stored but the offsets not committed, so the successor reads all again and finds duplicates."""
    world = fragile_world
    await world.make_topic()
    await world.send(*as_records(EVENTS))
    commit = kafka_proxy.hold("OffsetCommit")
    consumer = await world.start("consumer")
    await commit.arrived()
    await consumer.kill9()
    commit.drop()
    before = await world.query("SELECT * FROM events ORDER BY id")
    assert await world.ids() == IDS
    assert await world.committed() == {}
    successor = await world.run("consumer")
    await world.consumed(len(EVENTS))
    assert await world.query("SELECT * FROM events ORDER BY id") == before
    assert {line["eventId"] for line in successor.lines("event is a duplicate")} == {str(each) for each in IDS}
    assert await world.letters() == []


async def test_after_kills_while_idle_records_are_read_in_batches(world: World) -> None:
    """Nothing was in flight, so no record is suspected."""
    await world.make_topic(partitions=2)
    first, later = EVENTS[:4], [an_event() for _ in range(400)]
    await world.send(*as_records(first, partitions=2))
    for _ in range(4):
        consumer = await world.run("consumer")
        await world.consumed(len(first))
        await consumer.kill9()
    consumer = await world.run("consumer")
    await world.send(*as_records(later, partitions=2))
    await world.stored({event.id for event in [*first, *later]})
    assert "record by record" not in consumer.text
    rows = await world.query("SELECT attempts FROM partition_states ORDER BY partition")
    assert [row["attempts"] for row in rows] == [1, 1]
