"""A transaction that another producer has left open: what is behind it waits, and that is said."""

import pytest
from aiokafka import AIOKafkaProducer

from adapters.records import codec
from tests.support.events import an_event
from tests.support.records import NewRecord
from tests.support.waiting import eventually
from tests.support.world import World

LINE = "waiting behind an open transaction"
SHORT = {
    "PUBLISH_TIMEOUT_SECONDS": "1",
    "DB_STATEMENT_TIMEOUT_SECONDS": "2",
    "DB_LOCK_TIMEOUT_SECONDS": "1",
    "WATCHDOG_SECONDS": "5",
}


@pytest.mark.parametrize("is_committed", [True, False])
async def test_partition_behind_an_open_transaction_says_so_until_it_ends(world: World, is_committed: bool) -> None:
    """The consumer is degraded, is neither ended nor made anew, and reads on by itself; other partitions flow."""
    await world.make_topic(partitions=2)
    before, inside, behind, beside = (an_event() for _ in range(4))
    await world.send(NewRecord(codec.encode(before)))
    consumer = await world.run("consumer", **SHORT)
    await world.stored([before.id])
    async with AIOKafkaProducer(bootstrap_servers=world.topics.bootstrap, transactional_id=world.topic) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(world.topic, codec.encode(inside), b"key", partition=0)
        await world.send(NewRecord(codec.encode(behind)), NewRecord(codec.encode(beside), partition=1))
        await consumer.logged(LINE)
        (line,) = consumer.lines(LINE)
        assert (line["partition"], line["offset"]) == (0, 1)

        async def is_said() -> bool:
            part = (await consumer.parts()).get("event_log", {})
            return (part.get("status"), part.get("detail")) == (
                "DEGRADED",
                "partition 0 is waiting behind an open transaction at offset 1",
            )

        await eventually(is_said, "degraded")
        assert (await consumer.client.get("/health/ready")).status_code == 200
        assert await world.ids() == {before.id, beside.id}
        await (producer.commit_transaction if is_committed else producer.abort_transaction)()
    await world.stored([before.id, beside.id, behind.id, *([inside.id] if is_committed else [])])
    await consumer.logged("no longer waiting behind an open transaction")
    await consumer.ready()
    assert consumer.lines("the consumer is silent although there are records to read: it is made anew") == []
    assert consumer.lines("no progress") == []
