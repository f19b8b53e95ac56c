"""Which batches are in flight at the same time: one of a partition, a few of the process."""

import asyncio
from collections.abc import Sequence

import pytest

from application.ports import Delivery, Outcome
from tests.support.consumer_world import ConsumerWorld, settled, until


async def test_all_partitions_are_stored_and_committed(world: ConsumerWorld) -> None:
    """In batches of at most the batch size, each of one partition."""
    events = {partition: world.append(250, partition) for partition in range(3)}
    async with world.running():
        await until(lambda: world.committed() == {0: 250, 1: 250, 2: 250})
    assert set(world.store.rows) == {event.id for each in events.values() for event in each}
    assert max(map(len, world.store.calls)) <= 100
    for of_partition in events.values():
        ids = [event.id for event in of_partition]
        assert [each for each in world.store.rows if each in set(ids)] == ids


async def test_partition_has_one_batch_in_flight(world: ConsumerWorld) -> None:
    """And a bounded number of records in its queue."""
    world.append(950)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 200)
        await settled()
        assert world.source.paused == {0}
        assert [len(call) for call in world.store.calls] == [100]
        assert world.source.polled == 200
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 950})


async def test_two_partitions_are_stored_at_once_and_no_third(world: ConsumerWorld) -> None:
    """The third has its turn when one of them is done."""
    for partition in range(3):
        world.append(100, partition)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 300)
        await settled()
        assert [len(call) for call in world.store.calls] == [100, 100]
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 100, 1: 100, 2: 100})


async def test_records_that_come_meanwhile_are_stored_together(world: ConsumerWorld) -> None:
    """They wait in the queue, and in the log where the queue is full."""
    world.append(9)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 1)
        for _ in range(5):
            world.append(9)
            await settled()
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 54})
    assert len(world.store.calls) <= 4


async def test_slow_partition_does_not_slow_others(world: ConsumerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full, and the others are polled without it."""
    released = asyncio.Event()
    add = world.store.add

    async def add_slowly(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        if deliveries[0].record.partition == 0:
            await released.wait()
        return await add(deliveries)

    monkeypatch.setattr(world.store, "add", add_slowly)
    world.append(950)
    async with world.running():
        await until(lambda: 0 in world.source.paused)
        world.append(500, partition=1)
        await until(lambda: world.committed() == {1: 500})
        released.set()
        await until(lambda: world.committed() == {0: 950, 1: 500})


async def test_next_batch_is_stored_while_one_is_committed(world: ConsumerWorld) -> None:
    """But not the one after it: only one batch of a partition waits for its commit."""
    world.append(450)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.rows) == 200)
        await settled()
        assert len(world.store.calls) == 2
        assert world.source.commits == [{0: 100}]
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 450})
    assert [offsets[0] for offsets in world.source.commits] == [100, 200, 300, 400, 450]


async def test_partitions_are_committed_together(world: ConsumerWorld) -> None:
    """What becomes durable during a commit is committed by the next one."""
    world.append(10)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: world.source.commits == [{0: 10}])
        world.append(10, partition=1)
        world.append(10, partition=2)
        await until(lambda: len(world.store.rows) == 30)
        await settled()
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 10, 1: 10, 2: 10})
    assert world.source.commits == [{0: 10}, {1: 10, 2: 10}]


async def test_many_queued_records_make_polls_small() -> None:
    """Memory is bounded, however many partitions there are: only empty queues get more, and little of it."""
    world = ConsumerWorld(partitions=20)
    for partition in range(20):
        world.append(250, partition)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.source.paused) == 20)
        await settled()
        assert world.source.polled <= 8 * 100 + 100 + 20 * 10
        world.store.gate.set()
        await until(lambda: world.committed() == dict.fromkeys(range(20), 250))


async def test_bug_in_a_batch_ends_the_run(world: ConsumerWorld) -> None:
    """Nothing of it is committed; the error is that of the bug."""
    world.append(100)
    world.letters.outage = ZeroDivisionError()
    world.append_garbage(1)
    world.append(1, partition=1)
    await world.source.open()
    with pytest.raises(ZeroDivisionError):
        await world.consumer.run(world.stop)
    assert world.committed().get(0, 0) <= 100


async def test_commit_that_ends_by_a_bug_ends_the_run(world: ConsumerWorld) -> None:
    """Nothing is committed behind it."""
    world.append(200)
    world.source.commit_outage = RuntimeError("a bug")
    await world.source.open()
    with pytest.raises(RuntimeError, match="a bug"):
        await world.consumer.run(world.stop)
    assert world.committed() == {}
