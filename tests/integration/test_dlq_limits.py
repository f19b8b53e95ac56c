"""A topic of nothing but poison: its partition is halted instead of being drained into the DLQ."""

from datetime import UTC, datetime

from tests.support.command import user_events
from tests.support.events import an_event
from tests.support.records import NewRecord
from tests.support.service import Service
from tests.support.waiting import eventually
from tests.support.world import World, as_records

IN_A_ROW = 100
"""The default."""
POISON = 150


async def told(consumer: Service) -> None:
    """Return when readiness reports the halt."""

    async def is_told() -> bool:
        progress = (await consumer.parts()).get("progress", {})
        return f"partition 0 is halted at offset {IN_A_ROW}: {IN_A_ROW} dead" in progress.get("detail", "")

    await eventually(is_told, "the stop in readiness")
    # A release that mends what went wrong has to become ready.
    await consumer.degraded()


async def test_too_many_dead_letters_halt_the_partition_until_resumed(world: World) -> None:
    """Exactly as many dead letters as the limit; other partitions are read on, and only a resume changes that."""
    events, began = [an_event() for _ in range(30)], datetime.now(UTC)
    await world.make_topic(partitions=2)
    await world.send(*(NewRecord(b"{oops") for _ in range(POISON)))
    await world.send(*(record._replace(partition=1) for record in as_records(events[:10])))

    consumer = await world.start("consumer")
    await world.stored({event.id for event in events[:10]})
    await told(consumer)
    assert [line["partition"] for line in consumer.lines("partition halted")] == [0]
    await world.send(*(record._replace(partition=1) for record in as_records(events[10:20])))
    await world.stored({event.id for event in events[:20]})
    assert len(await world.letters()) == IN_A_ROW
    assert await world.committed() == {0: IN_A_ROW, 1: 20}

    assert await consumer.terminate() == 0
    await world.send(*(record._replace(partition=1) for record in as_records(events[20:])))
    restarted = datetime.now(UTC)
    consumer = await world.start("consumer")
    await world.stored({event.id for event in events})
    await told(consumer)
    assert began <= datetime.fromisoformat((await consumer.parts())["progress"]["since"]) <= restarted
    assert len(await world.letters()) == IN_A_ROW

    unasked = await user_events("resume", environment=world.environment)
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    place, halted = unasked.stdout.splitlines()
    assert (world.topic in place, world.group in place) == (True, True)
    since = datetime.fromisoformat(halted.split(" since ")[1].partition(",")[0])
    assert began <= since <= datetime.now(UTC)
    assert f", {POISON - IN_A_ROW} records wait: storm" in halted
    await told(consumer)

    (stop,) = await world.resume()
    assert (stop["partition"], stop["kind"], stop["offset"]) == (0, "storm", IN_A_ROW)
    await world.consumed(POISON + len(events))
    await consumer.ready()
    assert len(await world.letters()) == POISON
