"""Where consumers died before, records are taken one by one, until the poison pill is found."""

import logging
from collections.abc import Sequence

import pytest

from application.ports import Delivery, Outcome
from domain.dead_letter import Failure, FailureKind, Record
from domain.errors import Unavailable
from domain.event import UserEvent
from tests.support.consumer_world import PACE, ConsumerWorld, settled, until
from tests.support.events import decode


async def test_two_crashes_change_nothing(world: ConsumerWorld) -> None:
    """The consumer before the third still reads full batches."""
    await world.crash_before(0, times=1)
    events = world.append(50)
    async with world.running():
        await until(lambda: world.committed() == {0: 50})
    assert world.store.calls == [[event.id for event in events]]


async def test_third_attempt_takes_records_one_by_one(world: ConsumerWorld) -> None:
    """In their order, each committed before the next; those of other partitions together."""
    await world.crash_before(0, times=2)
    events, others = world.append(30), world.append(30, partition=1)
    async with world.running():
        await until(lambda: world.committed() == {0: 30, 1: 30})
    assert [event.id for event in others] in world.store.calls
    alone = [call for call in world.store.calls if len(call) == 1]
    assert alone == [[event.id] for event in events]
    assert [offsets[0] for offsets in world.source.commits if 0 in offsets] == list(range(1, 31))


async def test_suspicion_ends_beyond_what_was_in_flight(world: ConsumerWorld) -> None:
    """From there on batches are as large as ever."""
    await world.crash_before(0, times=2)
    reach = 3 * PACE.batch_size
    world.append(reach + 2 * PACE.batch_size)
    async with world.running():
        await until(lambda: world.committed() == {0: reach + 2 * PACE.batch_size})
    sizes = [len(call) for call in world.store.calls]
    assert sizes[:reach] == [1] * reach
    assert len(sizes) < reach + 10


async def test_suspect_has_the_process_to_itself(world: ConsumerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may happen beside it that could be blamed for it, or for which it could be blamed."""
    await world.crash_before(0, times=2)
    world.append(20)
    for partition in (1, 2):
        world.append(20, partition)
    in_flight: list[int] = []
    seen: set[tuple[int, ...]] = set()
    add = world.store.add

    async def watched_add(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        in_flight.append(deliveries[0].record.partition)
        await settled()
        seen.add(tuple(sorted(in_flight)))
        outcomes = await add(deliveries)
        in_flight.remove(deliveries[0].record.partition)
        return outcomes

    monkeypatch.setattr(world.store, "add", watched_add)
    async with world.running():
        await until(lambda: world.committed() == {0: 20, 1: 20, 2: 20})
    assert (0,) in seen
    assert not any(0 in together for together in seen if len(together) > 1)


async def test_record_that_killed_three_times_is_dead_lettered_untried(world: ConsumerWorld) -> None:
    """Its neighbours are stored."""
    events = world.append(3)
    world.log.groups["events", "group"].committed[0] = 1
    for _ in range(3):
        dead = world.another()
        await dead.begin({0: 1})
        await dead.attempt([0])
        await dead.mark(0, 1)
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
    (letter,) = world.letters.sent
    assert (letter.record.offset, letter.failure.kind) == (1, FailureKind.UNEXPECTED)
    assert world.store.calls == [[events[2].id]]


async def test_outage_keeps_records_behind_a_suspect(world: ConsumerWorld) -> None:
    """They come in their order."""
    await world.crash_before(0, times=2)
    events = world.append(5)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        assert {each for call in world.store.calls for each in call} == {events[0].id}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 5})
    assert list(world.store.rows) == [event.id for event in events]


async def test_suspect_of_another_owner_is_not_tried(world: ConsumerWorld) -> None:
    """Nor passed by: it is tried once this consumer owns the partition again."""
    await world.crash_before(0, times=2)
    events = world.append(2)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: bool(world.store.calls))
        await world.another().begin({0: 0})
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 1})
        polls = world.source.polls
        await until(lambda: world.source.polls > polls + 3)
        assert (len(world.store.rows), world.committed()) == (1, {0: 1})
        await world.states.begin({0: 1})
        await until(lambda: world.committed() == {0: 2})
    assert list(world.store.rows) == [event.id for event in events]


async def test_suspicion_ends_where_the_log_is_read_to_its_end(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """A poison pill was in the log before: what comes later is stored together."""
    caplog.set_level(logging.INFO)
    await world.crash_before(0, times=2)
    world.append(3)
    async with world.running():
        await until(lambda: world.consumer.partitions.suspected.keys() == {0})
        await until(lambda: not world.consumer.partitions.suspected)
        events = world.append(50)
        await until(lambda: world.committed() == {0: 53})
    assert [len(call) for call in world.store.calls[:3]] == [1, 1, 1]
    assert {event.id for call in world.store.calls[3:] for event in events if event.id in call}
    assert len(world.store.calls) < 3 + 50
    told = [message for message in caplog.messages if message.startswith("reading")]
    assert told == ["reading record by record: consumers died here before", "reading in batches again"]


async def test_attempt_is_counted_before_a_record_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may kill there already; once for all that follows."""
    counted: list[int] = []

    def counting(record: Record) -> UserEvent | Failure:
        counted.append(world.states.table["events", "group"][0].attempts)
        return decode(record)

    monkeypatch.setattr(ConsumerWorld, "decode", staticmethod(counting))
    world = ConsumerWorld()
    async with world.running():
        await until(lambda: world.source.polls > 0)
        assert world.states.table["events", "group"][0].attempts == 0
        world.append(3)
        await until(lambda: world.committed() == {0: 3})
        world.append(2)
        await until(lambda: world.committed() == {0: 5})
    assert counted == [1] * 5


async def test_record_waits_until_its_attempt_can_be_counted(world: ConsumerWorld) -> None:
    """As in any outage."""
    async with world.running():
        await until(lambda: world.source.polls > 1)
        world.states.outage = Unavailable("database: down")
        world.append(3)
        await until(lambda: world.consumer.waits_for == "database: down")
        assert not world.store.calls
        world.states.outage = None
        await until(lambda: world.committed() == {0: 3})


async def test_consumers_that_died_idle_raise_no_suspicion(world: ConsumerWorld) -> None:
    """However many: nothing was in flight."""
    events = world.append(50)
    for _ in range(5):
        idle = world.another()
        await idle.begin({0: 0, 1: 0, 2: 0})
    async with world.running():
        await until(lambda: world.committed() == {0: 50})
    assert world.store.calls == [[event.id for event in events]]


async def test_stop_finishes_the_suspect_in_flight(world: ConsumerWorld) -> None:
    """The next consumer begins with the one behind it."""
    await world.crash_before(0, times=2)
    world.append(5)
    await world.run_until_stopped_in_flight()
    assert world.committed() == {0: 1}
    assert len(world.store.calls) == 1
    assert world.another().table["events", "group"][0].is_in_hand is False
