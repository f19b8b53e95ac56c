"""Where a consumer begins to read, and what it does where the log no longer has that place."""

from contextlib import suppress

from aiokafka import AIOKafkaProducer

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer.event_source import KafkaEventSource
from tests.contracts.harness import ends
from tests.support.events import an_event
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.waiting import eventually
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


async def test_records_deleted_before_they_were_read_halt_their_partition_alone(world: World) -> None:
    """Logs and readiness name it, and the others are read on; records after the gap are read once it is resumed."""
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
    await consumer.logged("partition halted")
    (line,) = consumer.lines("partition halted")
    assert (line["level"], line["partition"], line["kind"], line["offset"]) == ("error", 0, "gap", 2)
    assert line["reason"] == "retention deleted 3 records before they were read"
    progress = (await consumer.parts())["progress"]
    assert (progress["status"], progress["error"]) == ("DEGRADED", "halted: partition 0")
    assert f"partition 0 is halted at offset 2: {line['reason']}" in progress["detail"]
    await consumer.degraded()

    later = [an_event() for _ in range(2)]
    await world.send(*as_records(later, partitions=2))
    await world.stored({event.id for event in [*before, *after[1::2], later[1]]})
    assert await world.committed() == {0: 2, 1: 8}

    (halt,) = await world.resume("--partition", "0")
    assert (halt["partition"], halt["kind"], halt["offset"]) == (0, "gap", 2)
    # Of offsets 2 to 7 three were deleted, and one came later.
    assert halt["waiting"] == 3
    await world.stored({event.id for event in [*before, *after[6::2], *after[1::2], *later]})
    await consumer.ready()
    assert await world.committed() == {0: 8, 1: 8}
    assert await world.resume() == []


async def test_marks_of_transactions_are_no_lag(kafka: KafkaServer) -> None:
    """They take an offset each, and so do the records of one that was aborted, but nobody will ever read them."""
    topic = await kafka.new_topic()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"read")
        with suppress(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"aborted")
                raise ZeroDivisionError
    source = KafkaEventSource(Brokers(kafka.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6)
    source.subscribe(Witness())
    lags = []

    async def is_read() -> bool:
        if polled := await source.poll(10, 0.2):
            lags.append(await source.lag())
            await source.commit(ends(polled))
        return bool(lags) and await source.lag() == {0: 0}

    try:
        await eventually(is_read, "no lag")
    finally:
        await source.close()
    assert [lag[0] > 0 for lag in lags] == [True]
