"""Several consumers: they share the partitions, and those of one that ends go to the others."""

import asyncio
from itertools import chain

import pytest

from tests.support.events import an_event
from tests.support.service import Service
from tests.support.waiting import eventually
from tests.support.world import World, as_records

PARTITIONS = 4
PAUSE_SECONDS = 0.1


def shares(*consumers: Service) -> list[list[int]]:
    """The partitions whose events each has stored."""
    return [sorted({line["partition"] for line in each.lines("event stored")}) for each in consumers]


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_two_share_the_partitions_and_one_takes_over_when_the_other_is(world: World, end: str) -> None:
    """Each has half of them; then the one that is left has all."""
    await world.make_topic(partitions=PARTITIONS)
    first = await world.run("consumer")
    second = await world.run("consumer")
    events = [an_event() for _ in range(2 * PARTITIONS)]
    await world.send(*as_records(events[:PARTITIONS], PARTITIONS))
    await world.consumed(PARTITIONS)

    async def all_is_logged() -> bool:
        return sorted(chain(*shares(first, second))) == list(range(PARTITIONS))

    await eventually(all_is_logged, "a line for each event")
    assert [len(share) for share in shares(first, second)] == [2, 2]

    if end == "stopped":
        assert await second.terminate() == 0
    else:
        await second.kill9()
    await world.send(*as_records(events[PARTITIONS:], PARTITIONS))
    await world.stored({event.id for event in events})
    await world.consumed(2 * PARTITIONS)
    assert shares(first) == [list(range(PARTITIONS))]


async def test_members_that_come_and_go_under_load_lose_nothing(world: World) -> None:
    """While one consumer stays, others join, stop and are killed; every event is stored and none dead-lettered."""
    await world.make_topic(partitions=PARTITIONS)
    staying = await world.run("consumer", BATCH_SIZE="20")

    async def come_and_go() -> None:
        stopped = await world.run("consumer", BATCH_SIZE="20")
        killed = await world.run("consumer", BATCH_SIZE="20")
        assert await stopped.terminate() == 0
        await killed.kill9()

    ids = set()
    coming_and_going = asyncio.create_task(come_and_go())
    while not coming_and_going.done():
        events = [an_event() for _ in range(100)]
        await world.send(*as_records(events, PARTITIONS))
        ids |= {event.id for event in events}
        await asyncio.wait([coming_and_going], timeout=PAUSE_SECONDS)
    await coming_and_going
    await world.stored(ids)
    await world.consumed(len(ids))
    await staying.ready()
    assert await world.letters() == []
