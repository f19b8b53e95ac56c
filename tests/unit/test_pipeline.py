"""The consumer's loop: nothing is committed that is not durable, and an outage costs nothing but time."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters import wire
from adapters.memory import MemorySource
from application.holding import Backoff
from application.pipeline import BATCHES_IN_HAND, Pace
from application.ports import Batch, BeforeCommit, Delivery, Verdict
from domain.dead_letter import Failure, FailureKind, Record
from domain.errors import Unavailable, WrongDeployment
from domain.event import UserEvent
from domain.stop import Stop, StopKind
from tests.support.custodians import Witness
from tests.support.events import NOON
from tests.support.pipeline import PACE, PipelineWorld, settled, until


@pytest.fixture
def world() -> PipelineWorld:
    """A world without any record."""
    return PipelineWorld()


def last_line(caplog: pytest.LogCaptureFixture) -> tuple[str, dict[str, int]]:
    """Read what was said at the end: how severe it is, and its counts."""
    (line,) = [record for record in caplog.records if record.getMessage() == "drained"]
    return line.levelname, {name: vars(line)[name] for name in ("committed", "unfinished")}


async def test_records_are_stored_and_committed_to_the_end(world: PipelineWorld) -> None:
    """Of every partition, in whatever batches."""
    events = [event for partition in range(3) for event in world.append(250, partition)]
    async with world.running():
        await until(lambda: world.committed() == {0: 250, 1: 250, 2: 250})
    assert set(world.store.rows) == {event.id for event in events}
    assert max(map(len, world.store.calls)) <= 100


async def test_next_batch_is_on_its_way_while_one_is_stored(world: PipelineWorld) -> None:
    """One and no more, and one more is read, so that a bounded number of records is in hand."""
    world.append(450)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 300)
        await settled()
        assert [len(call) for call in world.store.calls] == [100, 100]
        assert world.source.polled == 300
        assert world.store.rows == {}
        assert world.committed() == {}
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 450})


async def test_small_batches_are_not_read_far_ahead(world: PipelineWorld) -> None:
    """What comes slowly while one is stored is stored together, the sooner."""
    world.append(9)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 1)
        for _ in range(3):
            world.append(9)
            await settled()
        assert world.source.polled <= 18
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 36})
    assert len(world.store.calls) <= 3


async def test_next_batch_is_not_seen_before_the_one_that_is_stored(
    world: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes, and even where it holds nothing but dead letters."""
    first, parked = asyncio.Event(), world.letters.parked
    add = world.store.add

    async def add_slowly(deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Verdict]:
        if not world.store.calls:
            await first.wait()
        return await add(deliveries, before_commit)

    monkeypatch.setattr(world.store, "add", add_slowly)
    events = world.append(100)
    world.source.awaited = 103
    async with world.running():
        await until(lambda: world.source.polled == 100)
        world.append_garbage(3)
        await until(lambda: world.source.polled == 103)
        await settled()
        assert (world.store.rows, parked) == ({}, [])
        first.set()
        await until(lambda: world.committed() == {0: 103})
    assert list(world.store.rows) == [event.id for event in events]
    assert len(parked) == 3


async def test_next_batch_is_withdrawn_where_the_one_before_stops_its_partition(world: PipelineWorld) -> None:
    """It is read again when a person has resumed it."""
    world.append_garbage(30)
    world.append(70)
    events = world.append(100)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 2)
        world.store.gate.set()
        await until(lambda: world.pipeline.stopped.keys() == {0})
        await settled()
        assert {event.id for event in events}.isdisjoint(world.store.rows)
        assert world.committed() == {0: 20}
        await until(lambda: world.source.paused == {0})
        await world.another().resume()
        await until(lambda: world.committed() == {0: 200})


async def test_next_batch_that_runs_out_of_time_is_held_behind_the_one_before(
    world: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is committed, although it was not stored when the other failed."""
    first, second = asyncio.Event(), asyncio.Event()
    add, calls = world.store.add, 0

    async def add_slowly(deliveries: Sequence[Delivery], before_commit: BeforeCommit) -> Sequence[Verdict]:
        nonlocal calls
        calls = number = calls + 1
        if number == 1:
            await first.wait()
        if number == 2:
            try:
                async with asyncio.timeout(0.001):
                    await before_commit()
            except TimeoutError as error:
                second.set()
                raise Unavailable("database: TimeoutError") from error
        return await add(deliveries, before_commit)

    monkeypatch.setattr(world.store, "add", add_slowly)
    events = world.append(200)
    async with world.running():
        await second.wait()
        await settled()
        assert world.pipeline.holding is None
        first.set()
        await until(lambda: world.committed() == {0: 200})
    assert calls == 3
    assert list(world.store.rows) == [event.id for event in events]


async def test_bug_in_a_batch_lets_nothing_follow_it(world: PipelineWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the run, and what was on its way behind it is neither stored nor committed."""

    async def fail(_partition: int, _stop: Stop) -> None:
        await until(lambda: len(world.store.calls) == 2)
        raise ZeroDivisionError

    monkeypatch.setattr(world.custody, "stop", fail)
    world.append_garbage(30)
    world.append(70)
    events = world.append(100)
    await world.source.open()
    with pytest.raises(ZeroDivisionError):
        await world.pipeline.run(world.stop)
    assert {event.id for event in events}.isdisjoint(world.store.rows)
    assert world.committed() == {}


async def test_next_batch_is_stored_while_one_is_committed(world: PipelineWorld) -> None:
    """But not the one after it, which is on its way, and behind that one nothing is read."""
    world.append(450)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 3)
        await settled()
        assert world.source.polled == 300
        assert len(world.store.rows) == 200
        assert [batch.ends for batch in world.source.commits] == [{0: 100}]
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 450})
    assert [batch.ends[0] for batch in world.source.commits] == [100, 200, 300, 400, 450]


async def test_what_was_stored_while_a_commit_failed_waits_for_it(world: PipelineWorld) -> None:
    """It is held as well, and committed together with what stands before it; what was on its way begins again."""
    events = world.append(250)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 3)
        world.source.commit_outage = Unavailable("kafka: no coordinator")
        world.source.commit_gate.set()
        await until(lambda: len(world.source.commits) >= 3)
        assert world.pipeline.holding == "kafka: no coordinator"
        world.source.commit_outage = None
        await until(lambda: world.committed() == {0: 250})
    first, second, third = ([event.id for event in part] for part in (events[:100], events[100:200], events[200:]))
    assert world.store.calls == [first, second, third, third]
    ends = [batch.ends[0] for batch in world.source.commits]
    assert ends == sorted(ends)
    assert world.pipeline.committed == 250


async def test_batch_that_fails_while_the_one_before_is_committed_is_held_behind_it(world: PipelineWorld) -> None:
    """Where that one fails as well it is held, and this one given back."""
    events = world.append(100)
    world.source.awaited = 150
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.store.outage = Unavailable("database: down")
        events += world.append(50)
        await until(lambda: len(world.store.calls) == 2)
        world.source.commit_outage = Unavailable("kafka: no coordinator")
        world.source.commit_gate.set()
        await until(lambda: world.pipeline.holding == "kafka: no coordinator")
        world.source.commit_outage = None
        await until(lambda: world.committed() == {0: 100})
        await until(lambda: world.pipeline.holding == "database: down")
        world.store.outage = None
        await until(lambda: world.committed() == {0: 150})
    assert list(world.store.rows) == [event.id for event in events]
    assert world.pipeline.committed == 150


async def test_dead_letters_that_wait_for_a_commit_are_parked_and_counted_once(world: PipelineWorld) -> None:
    """Twelve would be a storm of twenty if they were met again."""
    world.append(100)
    world.source.awaited = 112
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.append_garbage(12)
        await until(lambda: len(world.letters.parked) == 12)
        world.source.commit_outage = Unavailable("kafka: no coordinator")
        world.source.commit_gate.set()
        await until(lambda: world.pipeline.holding is not None)
        world.source.commit_outage = None
        await until(lambda: world.committed() == {0: 112})
        assert world.pipeline.stopped == {}
    assert len(world.letters.parked) == 12


async def test_stop_that_waits_for_a_commit_is_kept_with_it(world: PipelineWorld) -> None:
    """Where the state could not be written while the commit before it failed."""
    world.append(100)
    world.source.awaited = 130
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.states.outage = Unavailable("database: down")
        world.append_garbage(30)
        await until(lambda: len(world.letters.parked) == 20)
        world.source.commit_outage = Unavailable("kafka: no coordinator")
        world.source.commit_gate.set()
        await until(lambda: world.pipeline.holding is not None)
        world.source.commit_outage = None
        world.states.outage = None
        await until(lambda: world.committed() == {0: 120})
        await until(lambda: world.another().table["events", "group"][0].stop is not None)
    assert len(world.letters.parked) == 20
    assert world.store.calls == [[*world.store.rows]]


async def test_what_is_held_is_not_given_up_before_what_stands_behind_it_is_done_with(world: PipelineWorld) -> None:
    """As in a rebalance: an offset that was committed behind what is given up would leave it out."""
    world.append(100)
    world.source.awaited = 200
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.append(50)
        world.append(50, partition=1)
        await until(lambda: len(world.store.rows) == 200)
        world.source.outage_of = {0}
        world.source.is_revoking = True
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {1: 50})
        await until(lambda: world.pipeline.holding is None)
        assert [batch.ends for batch in world.source.commits] == [{0: 100}, {1: 50}]
        world.source.outage_of = set()
        world.source.is_revoking = False
        await until(lambda: world.committed() == {0: 150, 1: 50})


async def test_only_partitions_whose_commit_failed_wait_for_it(world: PipelineWorld) -> None:
    """What was stored of others beside it is committed."""
    world.append(100)
    world.source.awaited = 200
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.append(50)
        world.append(50, partition=1)
        await until(lambda: len(world.store.rows) == 200)
        world.source.outage_of = {0}
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {1: 50})
        assert world.pipeline.holding == "kafka: no coordinator"
        world.source.outage_of = set()
        await until(lambda: world.committed() == {0: 150, 1: 50})


async def test_commit_that_ends_by_a_bug_ends_the_run(world: PipelineWorld) -> None:
    """And nothing that was stored beside it is committed."""
    world.append(200)
    world.source.commit_gate.clear()
    await world.source.open()
    run = asyncio.create_task(world.pipeline.run(world.stop))
    await until(lambda: len(world.store.rows) == 200)
    world.source.commit_outage = RuntimeError("a bug")
    world.source.commit_gate.set()
    with pytest.raises(RuntimeError, match="a bug"):
        await run
    assert [batch.ends for batch in world.source.commits] == [{0: 100}]
    assert world.committed() == {}


async def test_stop_while_a_batch_is_committed_finishes_it_and_the_next_two(world: PipelineWorld) -> None:
    """Which were begun already."""
    world.append(450)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 3)
        world.stop.set()
        world.source.commit_gate.set()
    assert world.committed() == {0: 300}
    assert len(world.store.rows) == 300


async def test_last_line_counts_what_was_stored_and_not_committed(caplog: pytest.LogCaptureFixture) -> None:
    """Of the batch whose commit does not end, of the one beside it, and of what was on its way."""
    caplog.set_level(logging.INFO)
    world = PipelineWorld(replace(PACE, finish=0.01))
    world.append(350)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 3)
        assert len(world.store.rows) == 200
    assert last_line(caplog) == ("WARNING", {"committed": 0, "unfinished": 300})
    assert world.committed() == {}


async def test_what_was_read_behind_a_batch_that_fails_waits_for_it(world: PipelineWorld) -> None:
    """Nothing of its partition is stored before it, and other partitions go on."""
    events = world.append(250)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 250)
        world.store.outage = Unavailable("database: down")
        world.store.gate.set()
        await until(lambda: len(world.store.calls) >= 4)
        _first, _on_its_way, *again = world.store.calls
        assert {event.id for event in events[100:]}.isdisjoint(each for call in again for each in call)
        world.store.outage = None
        await until(lambda: world.committed() == {0: 250})
    assert list(world.store.rows) == [event.id for event in events]


async def test_what_was_read_behind_a_batch_that_was_lost_is_withdrawn(world: PipelineWorld) -> None:
    """Its share is gone too: it is read again by whoever has it now."""
    world.append(200)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 2)
        other = MemorySource(world.log, "events", "group", Witness())
        await other.open()
        world.store.gate.set()
        await until(lambda: bool(world.source.commits))
        await other.close()
        await until(lambda: world.committed() == {0: 200})
    first, second, *again = world.store.calls
    assert again[:2] == [first, second]


async def test_outage_of_the_store_holds_and_parks_nothing(world: PipelineWorld) -> None:
    """Polling goes on so that the group keeps the member, and in the end every event is stored in its order."""
    events = world.append(5)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        assert world.pipeline.holding == "database: down"
        assert 0 in world.source.paused
        assert world.source.polls > 2
        assert world.committed() == {}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 5})
        assert world.pipeline.holding is None
        assert world.source.paused == set()
    assert list(world.store.rows) == [event.id for event in events]
    assert world.letters.parked == []


async def test_outage_of_the_dead_letters_holds(world: PipelineWorld) -> None:
    """A record that was not given up in order is not left behind."""
    world.log.append("events", None, b"[1]", partition=1)
    world.letters.outage = Unavailable("no broker")
    async with world.running():
        await until(lambda: world.pipeline.holding == "no broker")
        assert world.committed() == {}
        world.letters.outage = None
        await until(lambda: world.committed() == {1: 1})
    (letter,) = world.letters.parked
    assert letter.attempts > 1
    assert letter.first_failed_at == NOON


async def test_outage_of_the_log_is_told_until_it_is_over(world: PipelineWorld) -> None:
    """Also where records come at once with its end."""
    world.source.outage = Unavailable("kafka: down")
    async with world.running():
        await until(lambda: world.pipeline.holding == "kafka: down")
        world.append(1)
        world.source.outage = None
        await until(lambda: world.committed() == {0: 1})
        assert world.pipeline.holding is None


async def test_outage_of_an_idle_log_is_told_until_it_is_over(
    world: PipelineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty answer is an answer; its beginning and its end have a line each."""
    caplog.set_level(logging.INFO)
    world.source.outage = Unavailable("kafka: down")
    async with world.running():
        await until(lambda: world.pipeline.holding == "kafka: down")
        polls = world.source.polls
        await until(lambda: world.source.polls > polls + 2)
        world.source.outage = None
        await until(lambda: world.pipeline.holding is None)
    told = [line.getMessage() for line in caplog.records]
    assert told == ["cannot read the log at present", "reading the log again", "drained"]


async def test_commit_that_fails_is_repeated_alone(world: PipelineWorld) -> None:
    """What is stored is not stored again."""
    world.append(2)
    world.source.commit_outage = Unavailable("kafka: no coordinator")
    async with world.running():
        await until(lambda: len(world.source.commits) >= 3)
        assert world.pipeline.holding == "kafka: no coordinator"
        world.source.commit_outage = None
        await until(lambda: world.committed() == {0: 2})
    assert len(world.store.calls) == 1


async def test_other_partitions_wait_for_the_end_of_the_outage(world: PipelineWorld) -> None:
    """What is delivered of them meanwhile is given back, paused, and not lost."""
    held = world.append(1, partition=0)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.pipeline.holding is not None)
        others = world.append(3, partition=1) + world.append(3, partition=2)
        await until(lambda: world.source.paused == {0, 1, 2})
        world.store.outage = None
        await until(lambda: world.committed() == {0: 1, 1: 3, 2: 3})
        assert world.source.paused == set()
    assert set(world.store.rows) == {event.id for event in held + others}
    for partition in (others[:3], others[3:]):
        assert [each for each in world.store.rows if each in {event.id for event in partition}] == [
            event.id for event in partition
        ]


async def test_stop_finishes_the_batch_in_flight(world: PipelineWorld) -> None:
    """It is stored and committed, as is the one on its way behind it; nothing is begun after them."""
    world.append(250)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 2)
        world.stop.set()
        world.store.gate.set()
    assert world.committed() == {0: 200}
    assert len(world.store.rows) == 200


async def test_stop_while_polling_gives_back_what_was_read(world: PipelineWorld) -> None:
    """A database that hangs would keep a batch that is begun now for longer than the grace period has left."""
    events = world.append(3)
    poll = world.source.poll

    async def poll_until_stopped(limit: int, wait: float) -> Batch:
        batch = await poll(limit, wait)
        world.stop.set()
        return batch

    world.source.poll = poll_until_stopped  # type: ignore[method-assign]  # the stop has to come in between
    async with world.running():
        await world.stop.wait()
    assert world.store.calls == []
    assert [wire.decode(record) for record in (await poll(10, 0)).records] == events


async def test_stop_while_a_batch_fails_tries_nothing_again() -> None:
    """Although it would be due at once."""
    world = PipelineWorld(Pace(poll_wait=0.01, backoff=Backoff(0, 0)))
    world.append(3)
    world.store.outage = Unavailable("database: down")
    world.store.gate.clear()
    async with world.running():
        await until(lambda: bool(world.store.calls))
        world.stop.set()
        world.store.gate.set()
    assert len(world.store.calls) == 1


async def test_stop_gives_up_a_batch_that_does_not_end(caplog: pytest.LogCaptureFixture) -> None:
    """Uncommitted, within the limit, and the last line counts it beside what is held."""
    world = PipelineWorld(replace(PACE, finish=0.01))
    world.append(3)
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
        world.letters.outage = Unavailable("no broker")
        world.log.append("events", None, b"[1]", partition=1)
        await until(lambda: world.pipeline.holding is not None)
        world.store.gate.clear()
        world.append(2)
        await until(lambda: len(world.store.calls) == 2)
    assert last_line(caplog) == ("WARNING", {"committed": 3, "unfinished": 3})
    assert world.committed() == {0: 3}


async def test_last_line_counts_what_was_read_behind_a_batch_that_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """It was not given back in order either."""
    caplog.set_level(logging.INFO)
    world = PipelineWorld(replace(PACE, finish=0.01))
    world.append(250)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 250)
    assert last_line(caplog) == ("WARNING", {"committed": 0, "unfinished": 250})


async def test_last_line_does_not_count_what_was_given_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since it stands behind what is held; the rest of its batch does not end."""
    world = PipelineWorld(replace(PACE, finish=0.01))
    fails = asyncio.Event()

    async def fail(_letters: object) -> None:
        await fails.wait()
        raise Unavailable("no broker")

    monkeypatch.setattr(world.letters, "park", fail)
    world.append_garbage(1, partition=1)
    world.source.awaited = 6
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: world.source.polled == 1)
        world.append(2, partition=1)
        world.append(3, partition=2)
        await until(lambda: world.source.polled == 6)
        fails.set()
        await until(lambda: bool(world.source.commits))
    assert last_line(caplog) == ("WARNING", {"committed": 0, "unfinished": 1 + 3})


async def test_last_line_counts_nothing_unfinished_where_all_was_committed(
    world: PipelineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the proof of an end in order."""
    caplog.set_level(logging.INFO)
    world.append(150)
    async with world.running():
        await until(lambda: world.committed() == {0: 150})
    assert last_line(caplog) == ("INFO", {"committed": 150, "unfinished": 0})


async def test_stop_during_an_outage_gives_the_batch_back(world: PipelineWorld) -> None:
    """Uncommitted and unparked; whoever polls next gets it again."""
    events = world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.pipeline.holding is not None)
    assert world.committed() == {}
    batch = await world.source.poll(10, 0)
    assert [wire.decode(record) for record in batch.records] == events


async def test_stop_during_an_outage_of_the_log_ends_the_wait() -> None:
    """However long the next attempt is away."""
    world = PipelineWorld(Pace(poll_wait=0.01, backoff=Backoff(1_000, 1_000)))
    world.source.outage = Unavailable("kafka: down")
    async with world.running():
        await until(lambda: world.pipeline.holding is not None)


async def test_batch_lost_while_held_is_let_go(world: PipelineWorld) -> None:
    """Another member reads it again; this one holds nothing any more and goes on with what it has."""
    world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.pipeline.holding is not None)
        world.source.crash()
        await until(lambda: world.pipeline.holding is None)
        assert world.source.paused == set()
        assert world.source.commits == []
        world.store.outage = None
        await world.source.open()
        await until(lambda: world.committed() == {0: 3})


async def test_batch_lost_before_its_commit_is_left_to_the_heir(world: PipelineWorld) -> None:
    """What was stored is a duplicate there."""
    world.append(3)
    world.source.commit_outage = Unavailable("kafka: no coordinator")
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.source.crash()
        world.source.commit_outage = None
        await until(lambda: world.pipeline.holding is None)
        assert world.committed() == {}
        heir = MemorySource(world.log, "events", "group", Witness())
        await heir.open()
        assert len((await heir.poll(10, 0)).records) == 3


async def test_batch_that_is_lost_in_part_takes_nothing_along_of_what_was_committed(world: PipelineWorld) -> None:
    """As in the embedded log, whose members lose partitions one by one: what was read behind it goes on."""
    world.append(350)
    world.append(50, partition=1)
    world.source.lost = {1}
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.calls) == 3)
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 350, 1: 50})
    _first, in_part, *_rest = world.source.commits
    assert in_part.partitions == {0, 1}
    assert sum(map(len, world.store.calls)) == 350 + 2 * 50


async def test_superseded_commit_is_no_outage(world: PipelineWorld) -> None:
    """The member takes up its new share and goes on."""
    world.append(3)
    async with world.running():
        other = MemorySource(world.log, "events", "group", Witness())
        await other.open()
        await other.close()
        await until(lambda: world.committed() == {0: 3})
        assert world.pipeline.holding is None


async def test_held_batch_that_another_member_has_by_now_is_given_up_loudly(
    world: PipelineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """As one whose commit comes too late: whoever reads the log of a rebalance finds the same line."""
    caplog.set_level(logging.INFO)

    def told() -> list[int]:
        lines = [line for line in caplog.records if line.getMessage() == "batch superseded: it is read again"]
        return [vars(line)["records"] for line in lines]

    world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.pipeline.holding is not None)
        other = MemorySource(world.log, "events", "group", Witness())
        await other.open()
        await until(lambda: bool(told()))
        await other.close()
        world.store.outage = None
        await until(lambda: world.committed() == {0: 3})
    assert set(told()) == {3}


async def test_spent_retry_budget_parks_the_batch_as_exhausted() -> None:
    """Not a moment before, and the partition moves on."""
    world = PipelineWorld(Pace(poll_wait=0.01, backoff=Backoff(0.001, 0.005), retry_budget=60))
    world.append(2)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        world.now += timedelta(seconds=59.9)
        tried = len(world.store.calls)
        await until(lambda: len(world.store.calls) >= tried + 2)
        assert world.letters.parked == []
        world.now += timedelta(seconds=0.1)
        await until(lambda: world.committed() == {0: 2})
        assert world.pipeline.holding is None
    assert [letter.failure.kind for letter in world.letters.parked] == [FailureKind.EXHAUSTED] * 2
    assert {letter.failure.reason for letter in world.letters.parked} == {"database: down"}
    assert {letter.first_failed_at for letter in world.letters.parked} == {NOON}
    assert world.store.rows == {}


async def test_spent_retry_budget_holds_while_nothing_can_be_parked() -> None:
    """Giving up must be durable as well."""
    world = PipelineWorld(Pace(poll_wait=0.01, backoff=Backoff(0.001, 0.005), retry_budget=60))
    world.append(1)
    world.store.outage, world.letters.outage = Unavailable("database: down"), Unavailable("no broker")
    async with world.running():
        await until(lambda: world.pipeline.holding == "database: down")
        world.now += timedelta(seconds=60)
        await until(lambda: world.pipeline.holding == "no broker")
        assert world.committed() == {}
        world.letters.outage = None
        await until(lambda: world.committed() == {0: 1})


async def test_wrong_deployment_ends_the_run_uncommitted(world: PipelineWorld) -> None:
    """A person has to act."""
    world.append(1)
    world.store.outage = WrongDeployment("no table events")
    with pytest.raises(WrongDeployment):
        async with world.running():
            await until(lambda: bool(world.store.calls))
    assert world.committed() == {}


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.4), (3, 1.6), (7, 15.0), (100_000, 15.0)])
def test_backoff_is_jittered_below_a_bound_that_doubles(attempt: int, most: float) -> None:
    """And stays below a quarter of a minute, however often it failed."""
    pauses = [Backoff().after(attempt) for _ in range(200)]
    assert 0 <= min(pauses) < max(pauses) <= most
    assert max(pauses) > most / 2


async def test_what_troubles_one_partition_does_not_trouble_the_others(world: PipelineWorld) -> None:
    """Records of the others are stored and committed while one waits for the dead letters to come back."""
    world.log.append("events", None, b"[1]", partition=1)
    world.append(3, partition=0)
    world.letters.outage = Unavailable("no broker")
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
        world.append(2, partition=0)
        world.append(2, partition=2)
        await until(lambda: world.committed() == {0: 5, 2: 2})
        assert world.pipeline.holding == "no broker"
        world.letters.outage = None
        await until(lambda: world.committed() == {0: 5, 1: 1, 2: 2})


async def test_storm_stops_its_partition_and_no_other(world: PipelineWorld) -> None:
    """It is parked up to the limit and committed so far; what stands behind it is not touched."""
    world.append_garbage(30, partition=0)
    others = world.append(5, partition=1)
    async with world.running():
        await until(lambda: world.committed() == {0: 20, 1: 5})
        others += world.append(5, partition=1)
        await until(lambda: world.committed() == {0: 20, 1: 10})
        assert world.pipeline.stopped == {0: Stop(StopKind.STORM, 20, "20 dead letters in a row")}
        assert world.pipeline.holding is None
    assert [letter.record.offset for letter in world.letters.parked] == list(range(20))
    assert set(world.store.rows) == {event.id for event in others}


async def test_stopped_partition_stays_so_with_the_next_consumer_until_it_is_resumed(world: PipelineWorld) -> None:
    """Who then reads on where it was stopped."""
    world.append_garbage(30)
    async with world.running():
        await until(lambda: bool(world.pipeline.stopped))
    await world.source.close()
    successor = PipelineWorld(before=world)
    others = successor.append(1, partition=1)
    async with successor.running():
        await until(lambda: successor.committed() == {0: 20, 1: 1})
        assert successor.pipeline.stopped.keys() == {0}
        await successor.another().resume()
        await until(lambda: successor.committed() == {0: 30, 1: 1})
        assert successor.pipeline.stopped == {}
    assert [letter.record.offset for letter in successor.letters.parked] == list(range(30))
    assert set(successor.store.rows) == {event.id for event in others}


async def test_stop_that_is_resumed_at_once_lets_nothing_overtake_what_it_left(
    world: PipelineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read behind it meanwhile is given back first."""
    world.append_garbage(30)
    world.append(170)
    commit = world.source.commit

    async def commit_slowly(batch: Batch) -> None:
        if not world.source.commits:
            await until(lambda: world.source.polled == 200)
            await world.another().resume()
        await commit(batch)

    monkeypatch.setattr(world.source, "commit", commit_slowly)
    async with world.running():
        await until(lambda: len(world.letters.parked) == 30 and world.committed() == {0: 200})
    starts = [batch.records[0].offset for batch in world.source.commits]
    assert starts == sorted(starts)


async def test_stop_that_cannot_be_kept_holds_the_partition(world: PipelineWorld) -> None:
    """Nothing is committed meanwhile, and nothing is parked twice."""
    async with world.running():
        await until(lambda: world.source.polls > 1)
        world.states.outage = Unavailable("database: down")
        world.append_garbage(30)
        await until(lambda: world.pipeline.holding == "database: down")
        assert world.committed() == {}
        world.states.outage = None
        await until(lambda: world.committed() == {0: 20})
        assert world.pipeline.stopped.keys() == {0}
    assert len(world.letters.parked) == 20


async def test_gap_stops_its_partition_until_a_person_accepts_it(world: PipelineWorld) -> None:
    """Then it is read on behind the gap."""
    world.append(5)
    others = world.append(2, partition=1)
    world.log.expire("events", 0, before=3)
    async with world.running():
        await until(lambda: world.committed() == {1: 2})
        await until(lambda: bool(world.another().table["events", "group"][0].stop))
        assert world.pipeline.stopped == {0: Stop(StopKind.GAP, 0, "3 records expired")}
        await world.another().resume([0])
        await until(lambda: world.committed() == {0: 5, 1: 2})
        assert world.pipeline.stopped == {}
    assert len(world.store.rows) == 2 + len(others)


async def test_after_two_deaths_batches_are_as_large_as_ever(world: PipelineWorld) -> None:
    """The next consumer is the second attempt's successor, and no more."""
    await world.crash_before(0, times=1)
    events = world.append(50)
    async with world.running():
        await until(lambda: world.committed() == {0: 50})
    assert world.store.calls == [[event.id for event in events]]


async def test_from_the_third_attempt_on_records_are_taken_one_by_one(world: PipelineWorld) -> None:
    """In their order, each in the marker and committed by itself; those of other partitions together."""
    await world.crash_before(0, times=2)
    events, others = world.append(30), world.append(30, partition=1)
    async with world.running():
        await until(lambda: world.committed() == {0: 30, 1: 30})
    assert world.store.calls == [[event.id for event in others], *[[event.id] for event in events]]
    assert [len(batch.records) for batch in world.source.commits] == [30, *[1] * 30]


async def test_suspicion_ends_behind_what_the_dead_may_have_had_in_hand(world: PipelineWorld) -> None:
    """From there on batches are as large as ever."""
    await world.crash_before(0, times=2)
    suspected = BATCHES_IN_HAND * PACE.batch_size
    world.append(suspected + PACE.batch_size)
    async with world.running():
        await until(lambda: world.committed() == {0: suspected + PACE.batch_size})
    assert [len(call) for call in world.store.calls] == [*[1] * suspected, PACE.batch_size]


async def test_records_behind_a_suspect_are_not_committed_before_it(world: PipelineWorld) -> None:
    """Also where the suspicion ends in the middle of a batch."""
    await world.crash_before(0, times=2)
    events = world.append(150)
    async with world.running():
        await until(lambda: world.committed() == {0: 150})
        events += world.append(100)
        world.store.outage = Unavailable("database: down")
        await until(lambda: world.pipeline.holding is not None)
        assert world.committed() == {0: 150}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 250})
    assert list(world.store.rows) == [event.id for event in events]
    ends = [batch.ends[0] for batch in world.source.commits]
    assert ends == sorted(ends)


async def regain_as_suspect(world: PipelineWorld, position: int) -> None:
    """Partition 0 goes to others, who die at a position, and comes back."""
    await world.crash_before(position, times=3)
    other = MemorySource(world.log, "events", "group", Witness())
    await other.open()
    world.log.groups["events", "group"].committed[0] = position
    other.crash()


async def test_suspect_is_not_tried_beside_a_commit(world: PipelineWorld) -> None:
    """Nothing may happen beside it that could be blamed for its deaths."""
    world.append(10)
    world.source.awaited = 20
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        await regain_as_suspect(world, 0)
        await until(lambda: world.custody.is_suspicious)
        await settled()
        assert len(world.store.calls) == 1
        world.source.commit_gate.set()
        await until(lambda: world.committed() == {0: 10})


async def test_commit_that_was_superseded_takes_nothing_with_it(world: PipelineWorld) -> None:
    """A suspect that is held by now, although its partition is the same."""
    world.append(10)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: bool(world.source.commits))
        await regain_as_suspect(world, 10)
        events = world.append(3)
        world.states.outage = Unavailable("database: down")
        world.source.commit_gate.set()
        await until(lambda: world.pipeline.holding == "database: down")
        world.states.outage = None
        await until(lambda: world.committed() == {0: 13})
    assert {event.id for event in events} <= set(world.store.rows)


async def test_record_that_killed_three_times_is_parked_untried(world: PipelineWorld) -> None:
    """Its neighbours are stored, and the breaker counts it like any other."""
    events = world.append(3)
    world.log.groups["events", "group"].committed[0] = 1
    for _ in range(3):
        dead = world.another()
        await dead.begin({0: 1})
        await dead.attempt([0])
        await dead.mark(0, 1)
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
    (letter,) = world.letters.parked
    assert (letter.record.offset, letter.failure.kind) == (1, FailureKind.UNEXPECTED)
    assert world.store.calls == [[events[2].id]]


async def test_outage_among_records_taken_one_by_one_holds_those_behind(world: PipelineWorld) -> None:
    """They are given back, and come in their order."""
    await world.crash_before(0, times=2)
    events = world.append(5)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) >= 3)
        assert {each for call in world.store.calls for each in call} == {events[0].id}
        world.store.outage = None
        await until(lambda: world.committed() == {0: 5})
    assert list(world.store.rows) == [event.id for event in events]


async def test_suspect_that_another_consumer_owns_is_not_tried(world: PipelineWorld) -> None:
    """Nor passed by: it is read again, as long as the log leaves the partition here."""
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
    world: PipelineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """What killed stood there before: what comes later is stored together, and both is told."""
    caplog.set_level(logging.INFO)
    await world.crash_before(0, times=2)
    world.append(3)
    async with world.running():
        await until(lambda: world.pipeline.suspected.keys() == {0})
        await until(lambda: not world.pipeline.suspected)
        events = world.append(50)
        await until(lambda: world.committed() == {0: 53})
    assert [len(call) for call in world.store.calls[:3]] == [1, 1, 1]
    assert {event.id for call in world.store.calls[3:] for event in events if event.id in call}
    assert len(world.store.calls) < 3 + 50
    told = [record.getMessage() for record in caplog.records if record.name == "application.custody"]
    assert told == ["reading record by record: consumers died here before", "reading in batches again"]


async def test_attempt_is_counted_before_a_record_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it may kill there already; once for all that follows."""
    counted: list[int] = []

    def decode(record: Record) -> UserEvent | Failure:
        counted.append(world.states.table["events", "group"][0].attempts)
        return original(record)

    original = wire.decode
    monkeypatch.setattr(wire, "decode", decode)
    world = PipelineWorld()
    async with world.running():
        await until(lambda: world.source.polls > 0)
        assert world.states.table["events", "group"][0].attempts == 0
        world.append(3)
        await until(lambda: world.committed() == {0: 3})
        world.append(2)
        await until(lambda: world.committed() == {0: 5})
    assert counted == [1] * 5


async def test_record_is_kept_while_its_attempt_cannot_be_counted(world: PipelineWorld) -> None:
    """As in any outage."""
    async with world.running():
        await until(lambda: world.source.polls > 0)
        world.states.outage = Unavailable("database: down")
        world.append(3)
        await until(lambda: world.pipeline.holding == "database: down")
        assert not world.store.calls
        world.states.outage = None
        await until(lambda: world.committed() == {0: 3})


async def test_consumers_that_die_idle_raise_no_suspicion(world: PipelineWorld) -> None:
    """However many: nothing was in flight."""
    events = world.append(50)
    for _ in range(5):
        idle = world.another()
        await idle.begin({0: 0, 1: 0, 2: 0})
    async with world.running():
        await until(lambda: world.committed() == {0: 50})
    assert world.store.calls == [[event.id for event in events]]


async def test_stop_among_records_taken_one_by_one_gives_the_rest_back(world: PipelineWorld) -> None:
    """The one in hand is finished; the next consumer begins with the one behind it."""
    await world.crash_before(0, times=2)
    world.append(5)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: bool(world.store.calls))
        world.stop.set()
        world.store.gate.set()
    assert world.committed() == {0: 1}
    assert len(world.store.calls) == 1
    assert world.another().table["events", "group"][0].is_in_hand is False
