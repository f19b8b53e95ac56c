"""Many partitions on brokers that are far away: what is asked about all of them is asked at once."""

from tests.support.command import user_events
from tests.support.events import an_event
from tests.support.proxy import Proxy
from tests.support.world import World, as_records

PARTITIONS = 400
ONE_WAY_SECONDS = 0.08
FILLED = 10
"""How many partitions have records: each of these is read by itself in an audit."""


async def test_new_group_begins_on_many_partitions_far_away(fragile_world: World, kafka_proxy: Proxy) -> None:
    """Where to begin takes some round trips in all, not some for each partition; so do the lag and an audit."""
    world = fragile_world
    events = [an_event() for _ in range(3 * FILLED)]
    await world.make_topic(partitions=PARTITIONS)
    await world.send(*as_records(events, partitions=FILLED))
    kafka_proxy.requests.delay = kafka_proxy.answers.delay = ONE_WAY_SECONDS
    consumer = await world.run("consumer")
    await world.stored({event.id for event in events})
    await consumer.ready()
    assert consumer.lines("cannot read the log at present") == []
    audit = await user_events("audit", "--json", environment=world.environment)
    assert audit.exit_code == 0, audit.stderr
    assert await consumer.terminate() == 0
    # With offsets of the group's.
    later = [an_event() for _ in range(FILLED)]
    successor = await world.run("consumer")
    await world.send(*as_records(later, partitions=FILLED))
    await world.stored({event.id for event in [*events, *later]})
    assert successor.lines("cannot read the log at present") == []
