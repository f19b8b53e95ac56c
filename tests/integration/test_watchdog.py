"""A consumer that hangs: its health fails, it ends with an error, and the next one goes on."""

import asyncio
from contextlib import suppress

import httpx

from tests.support.events import an_event
from tests.support.service import Service
from tests.support.waiting import eventually
from tests.support.world import World, as_records

LIMITS = {
    "WATCHDOG_SECONDS": "4",
    "SHUTDOWN_GRACE_SECONDS": "14",
    "PUBLISH_TIMEOUT_SECONDS": "1",
    "DB_STATEMENT_TIMEOUT_SECONDS": "1",
    "DB_LOCK_TIMEOUT_SECONDS": "0.5",
}


async def hanging(world: World, how: str) -> Service:
    """Start a consumer that will hang on its first batch."""
    environment = world.environment | LIMITS | {"HANG": how}
    consumer = await world.services.start("consumer", environment, module="tests.support.hanging")
    await consumer.ready()
    return consumer


async def attempts(world: World) -> list[int]:
    """How many attempts at the only partition are counted."""
    return [row["attempts"] for row in await world.query("SELECT attempts FROM partition_states")]


async def test_a_consumer_that_hangs_fails_its_health_and_ends_in_order(world: World) -> None:
    """Exit code 1, the attempt taken back, nothing committed, and the next consumer stores the event."""
    event = an_event()
    await world.make_topic()
    consumer = await hanging(world, "await")
    assert (await consumer.client.get("/health")).status_code == 200
    await world.send(*as_records([event]))

    healths = set()
    ending = asyncio.create_task(consumer.ended())
    while not ending.done():
        # It fails for a second before the end, in which nobody listens any more.
        with suppress(httpx.TransportError):
            healths.add((await consumer.client.get("/health")).status_code)
    assert 503 in healths
    assert await ending == 1
    assert [line["level"] for line in consumer.lines("no progress")] == ["error"]
    assert [line["unfinished"] for line in consumer.lines("drained")] == [1]
    assert consumer.lines()[-1]["event"].startswith("ended: no progress: ")
    assert "by force" not in consumer.text
    assert (await attempts(world), await world.committed()) == ([0], {})
    await world.run("consumer")
    await world.stored([event.id])


async def test_a_consumer_whose_event_loop_stands_still_is_ended_by_a_thread(world: World) -> None:
    """It logs its stack, and its attempt counts: the record may be a poison pill."""
    await world.make_topic()
    consumer = await hanging(world, "block")
    await world.send(*as_records([an_event()]))

    async def is_silent() -> bool:
        try:
            await consumer.client.get("/health", timeout=0.5)
        except httpx.TransportError:
            return True
        return False

    await asyncio.gather(eventually(is_silent, "a health without an answer"), consumer.ended())
    assert consumer.exit_code == 1
    assert "Timeout (0:00:04)!" in consumer.text
    assert "in hang_in_the_loop" in consumer.text
    assert (await attempts(world), await world.committed()) == ([1], {})
