"""Partitions that a person has to resume."""

import pytest

from application.ports import Halt, HaltKind
from domain.errors import Unavailable
from tests.support.consumer_world import ConsumerWorld, settled, until


async def test_dlq_limit_halts_its_partition_and_no_other(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Dead letters are sent up to the limit and committed so far; what is behind it is not touched."""
    world.append_garbage(30)
    others = world.append(5, partition=1)
    halt = Halt(HaltKind.DLQ_LIMIT, 20, "20 dead letters in a row")
    async with world.running():
        await until(lambda: world.committed() == {0: 20, 1: 5})
        others += world.append(5, partition=1)
        await until(lambda: world.committed() == {0: 20, 1: 10})
        assert world.consumer.partitions.halted == {0: halt}
        assert world.consumer.partitions.workers[0].status.halt == halt
        assert set(world.consumer.waiting) == {0}
        assert world.consumer.waits_for is None
    assert [letter.record.offset for letter in world.letters.sent] == list(range(20))
    assert set(world.store.rows) == {event.id for event in others}
    (line,) = [record for record in caplog.records if record.getMessage() == "partition halted"]
    assert (vars(line)["partition"], vars(line)["kind"], vars(line)["offset"]) == (0, "storm", 20)


async def test_resumed_partition_goes_on_where_it_was_halted(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """With what was queued, in its order, nothing twice."""
    world.append_garbage(30)
    events = world.append(370)
    async with world.running():
        await until(lambda: world.consumer.partitions.halted.keys() == {0})
        await settled()
        assert set(world.store.rows) <= {event.id for event in events[:70]}
        await world.another().resume()
        await until(lambda: world.committed() == {0: 400})
        assert world.consumer.partitions.halted == {}
    assert list(world.store.rows) == [event.id for event in events]
    assert [letter.record.offset for letter in world.letters.sent] == list(range(30))
    assert "halted partition resumed" in caplog.messages


async def test_halt_outlives_the_consumer(world: ConsumerWorld) -> None:
    """The next one does not read on until the partition is resumed."""
    world.append_garbage(30)
    async with world.running():
        await until(lambda: world.committed() == {0: 20})
    await world.source.close()
    successor = ConsumerWorld(before=world)
    others = successor.append(1, partition=1)
    async with successor.running():
        await until(lambda: successor.committed() == {0: 20, 1: 1})
        assert successor.consumer.partitions.halted.keys() == {0}
        await successor.another().resume()
        await until(lambda: successor.committed() == {0: 30, 1: 1})
        assert successor.consumer.partitions.halted == {}
    assert [letter.record.offset for letter in successor.letters.sent] == list(range(30))
    assert set(successor.store.rows) == {event.id for event in others}


async def test_halt_that_cannot_be_kept_is_retried(world: ConsumerWorld) -> None:
    """Nothing is committed meanwhile, and nothing is dead-lettered twice."""
    async with world.running():
        world.append(1)
        await until(lambda: world.committed() == {0: 1})
        world.states.outage = Unavailable("database: down")
        world.append_garbage(30)
        await until(lambda: world.consumer.waits_for == "database: down")
        assert world.committed() == {0: 1}
        world.states.outage = None
        await until(lambda: world.committed() == {0: 21})
        assert world.consumer.partitions.halted.keys() == {0}
    assert len(world.letters.sent) == 20


async def test_halt_is_kept_before_its_offset_is_committed(world: ConsumerWorld) -> None:
    """A consumer that reads on from there must know."""
    world.append_garbage(30)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        assert (await world.another().halts()).keys() == {0}
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 20})


async def test_gap_halts_its_partition_until_a_person_accepts_it(world: ConsumerWorld) -> None:
    """Then it is read on behind the gap."""
    world.append(5)
    others = world.append(2, partition=1)
    world.log.expire("events", 0, before=3)
    async with world.running():
        await until(lambda: world.committed() == {1: 2})
        await until(lambda: world.another().table["events", "group"][0].halt is not None)
        assert world.consumer.partitions.halted == {0: Halt(HaltKind.GAP, 0, "3 records expired")}
        await world.another().resume([0])
        await until(lambda: world.committed() == {0: 5, 1: 2})
        assert world.consumer.partitions.halted == {}
    assert len(world.store.rows) == 2 + len(others)


async def test_outage_of_the_states_resumes_nothing(world: ConsumerWorld) -> None:
    """The partition stays halted until they can be read again."""
    world.append_garbage(30)
    async with world.running():
        await until(lambda: world.committed() == {0: 20})
        world.states.outage = Unavailable("database: down")
        await world.another().resume()
        polls = world.source.polls
        await until(lambda: world.source.polls > polls + 5)
        assert world.consumer.partitions.halted.keys() == {0}
        world.states.outage = None
        await until(lambda: world.committed() == {0: 30})


async def test_halted_partitions_do_not_slow_others() -> None:
    """They are not polled, and their records do not count towards the bound on memory."""
    world = ConsumerWorld(partitions=12)
    for partition in range(1, 12):
        world.append_garbage(20, partition)
        world.append(400, partition)
    async with world.running():
        await until(lambda: len(world.consumer.partitions.halted) == 11)
        world.append(1_000)
        await until(lambda: world.committed().get(0) == 1_000)
        assert world.source.paused >= set(range(1, 12))
    assert max(map(len, world.store.calls)) == 100
    assert sum(len(call) == 100 for call in world.store.calls) >= 8
