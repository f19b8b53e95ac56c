"""Partitions come and go: a revoked one is finished first, a lost one is dropped."""

import asyncio
from dataclasses import replace

import pytest

from adapters.memory import MemorySource
from domain.errors import Unavailable
from tests.support.consumer_world import PACE, ConsumerWorld, settled, until
from tests.support.listeners import Witness


async def join(world: ConsumerWorld) -> MemorySource:
    """Add another member to the group, which reads nothing."""
    other = MemorySource(world.log, "events", "group")
    other.subscribe(Witness())
    await other.open()
    return other


async def test_revoked_partition_finishes_its_batch_and_drops_its_queue(world: ConsumerWorld) -> None:
    """The batch is committed before the partition is released."""
    world.append(350)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.paused == {0})
        closing = asyncio.create_task(world.source.close())
        await settled()
        assert not closing.done()
        world.store.gate.set()
        await closing
        assert world.committed() == {0: 100}
        assert world.consumer.partitions.workers == {}
        assert len(world.store.calls) == 1


async def test_revoked_partition_that_is_retried_is_given_up_at_once(world: ConsumerWorld) -> None:
    """Its next owner has the same trouble, or none."""
    world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for is not None)
        await world.source.close()
        assert world.consumer.partitions.workers == {}
        assert world.consumer.waits_for is None
    assert world.committed() == {}


async def test_rebalance_waits_for_a_batch_no_longer_than_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Then the batch is broken off, uncommitted."""
    world = ConsumerWorld(replace(PACE, revocation=0.01))
    world.append(3)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: bool(world.store.calls))
        await world.source.close()
        assert world.consumer.partitions.workers == {}
        world.store.gate.set()
        await settled()
        assert world.store.rows == {}
    assert "a rebalance does not wait any longer for in-flight batches" in caplog.messages


async def test_lost_partition_drops_its_batch(world: ConsumerWorld) -> None:
    """It is read again, and nothing is stored twice."""
    events = world.append(250)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: bool(world.store.calls))
        other = await join(world)
        await until(lambda: len(world.consumer.partitions.workers) == 2)
        await other.close()
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 250})
    assert list(world.store.rows) == [event.id for event in events]


async def test_commit_under_a_stale_generation_is_no_outage(world: ConsumerWorld) -> None:
    """The member takes up its new share and goes on."""
    world.append(3)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        other = await join(world)
        world.source.commit_gate.set()
        await other.close()
        await until(lambda: world.committed() == {0: 3})
        assert world.consumer.waits_for is None


async def test_partition_that_comes_back_begins_at_its_position(world: ConsumerWorld) -> None:
    """Once for each time that it is assigned."""
    world.append(10)
    async with world.running():
        await until(lambda: world.committed() == {0: 10})
        await world.source.close()
        events = world.append(10)
        await world.source.open()
        await until(lambda: world.committed() == {0: 20})
    assert world.store.calls[-1] == [event.id for event in events]


async def test_assignment_waits_until_states_can_be_read(world: ConsumerWorld) -> None:
    """Nothing is read before it is known what is halted."""
    world.append(3)
    world.states.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for == "database: down")
        assert world.store.calls == []
        world.states.outage = None
        await until(lambda: world.committed() == {0: 3})


async def test_partition_assigned_twice_has_one_worker(world: ConsumerWorld, caplog: pytest.LogCaptureFixture) -> None:
    """The first one ends, and does not delay the end of the process."""
    world.append(3)
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
        tasks = len(asyncio.all_tasks())
        assert world.source.listener is not None
        await world.source.listener.on_assigned({0: 3})
        await settled()
        assert len(asyncio.all_tasks()) == tasks
    assert "shutdown timeout: abandoning in-flight batches" not in caplog.messages


async def test_close_behind_an_abandoned_commit_ends_at_once() -> None:
    """Its partitions are released: this process was stopped, and has not crashed."""
    world = ConsumerWorld(replace(PACE, finish=0.01))
    world.append(3)
    world.source.commit_outage = Unavailable("kafka: no coordinator")
    async with world.running():
        await until(lambda: world.consumer.waits_for is not None)
    assert world.another().table["events", "group"][0].attempts == 1
    async with asyncio.timeout(5):
        await world.source.close()
    assert world.another().table["events", "group"][0].attempts == 0
