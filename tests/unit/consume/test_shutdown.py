"""A stop finishes what is in flight, within a limit; the rest is read again."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from adapters.records.log_record import LogRecord
from application.consume.pace import Backoff, Pace
from application.ports import Halt
from domain.errors import Unavailable
from tests.support.consumer_world import PACE, ConsumerWorld, settled, until


def last_line(caplog: pytest.LogCaptureFixture) -> tuple[str, dict[str, int]]:
    """Read the last line of a consumer: how severe it is, and its counts."""
    (line,) = [record for record in caplog.records if record.getMessage() == "drained"]
    return line.levelname, {name: vars(line)[name] for name in ("committed", "unfinished")}


async def test_stop_finishes_batches_in_flight_and_begins_none(world: ConsumerWorld) -> None:
    """They are stored and committed; what is queued is not."""
    for partition in range(3):
        world.append(250, partition)
    await world.run_until_stopped_in_flight(batches=2)
    assert sorted(world.committed().values()) == [100, 100]
    assert len(world.store.rows) == 200


async def test_stop_during_a_commit_waits_for_it(world: ConsumerWorld) -> None:
    """And for the commit of the batch that was stored meanwhile."""
    world.append(450)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.rows) == 200)
        world.stop.set()
        await settled()
        world.source.commit_gate.set()
    assert world.committed() == {0: 200}
    assert len(world.store.rows) == 200


async def test_time_out_of_the_source_is_no_shutdown_timeout(
    world: ConsumerWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends the consumer as any unexpected error does."""

    async def time_out(*_: object, **__: object) -> Mapping[int, Sequence[LogRecord]]:
        raise TimeoutError("the source's own")

    monkeypatch.setattr(world.source, "poll", time_out)
    with pytest.raises(TimeoutError, match="the source's own"):
        await world.consumer.run(world.stop)
    assert "shutdown timeout" not in caplog.text


async def test_stop_while_polling_begins_nothing(world: ConsumerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that hangs would keep a batch that is begun now for longer than the grace period has left."""
    world.append(3)
    poll = world.source.poll

    async def poll_until_stopped(
        limit: int, wait: float, *, paused: Collection[int] = ()
    ) -> Mapping[int, Sequence[LogRecord]]:
        polled = await poll(limit, wait, paused=paused)
        world.stop.set()
        return polled

    monkeypatch.setattr(world.source, "poll", poll_until_stopped)
    async with world.running():
        await world.stop.wait()
    assert world.store.calls == []


async def test_stop_while_a_batch_fails_tries_nothing_again() -> None:
    """Although it would be due at once."""
    world = ConsumerWorld(Pace(poll_wait=0.01, backoff=Backoff(0, 0)))
    world.append(3)
    world.store.outage = Unavailable("database: down")
    await world.run_until_stopped_in_flight()
    assert len(world.store.calls) == 1


async def test_stop_ends_a_wait_for_the_next_try() -> None:
    """However long it would last."""
    world = ConsumerWorld(Pace(poll_wait=0.01, backoff=Backoff(1_000, 1_000)))
    world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for is not None)
    assert world.committed() == {}


async def test_stop_ends_a_wait_for_the_log() -> None:
    """However long it would last."""
    world = ConsumerWorld(Pace(poll_wait=0.01, backoff=Backoff(1_000, 1_000)))
    world.source.outage = Unavailable("kafka: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for is not None)


async def test_records_that_were_not_finished_are_read_again(world: ConsumerWorld) -> None:
    """By the next consumer of the partition."""
    events = world.append(3)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: world.consumer.waits_for is not None)
    await world.source.close()
    assert (world.committed(), world.letters.sent) == ({}, [])
    world.store.outage = None
    successor = ConsumerWorld(before=world)
    async with successor.running():
        await until(lambda: successor.committed() == {0: 3})
    assert list(world.store.rows) == [event.id for event in events]


async def test_batch_that_does_not_end_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    """Uncommitted, within the limit; the last line counts it beside what is retried."""
    world = ConsumerWorld(replace(PACE, finish=0.01))
    world.append(3)
    async with world.running():
        await until(lambda: world.committed() == {0: 3})
        world.letters.outage = Unavailable("no broker")
        world.append_garbage(1, partition=1)
        await until(lambda: world.consumer.waits_for is not None)
        world.store.gate.clear()
        world.append(2)
        await until(lambda: len(world.store.calls) == 2)
    assert "shutdown timeout: abandoning in-flight batches" in caplog.messages
    assert last_line(caplog) == ("WARNING", {"committed": 3, "unfinished": 3})
    assert world.committed() == {0: 3}


async def test_last_line_counts_what_was_stored_and_not_committed(caplog: pytest.LogCaptureFixture) -> None:
    """The batch whose commit does not end, and the one that waits for it."""
    world = ConsumerWorld(replace(PACE, finish=0.01))
    world.append(350)
    world.source.commit_gate.clear()
    async with world.running():
        await until(lambda: len(world.store.rows) == 200)
    assert last_line(caplog) == ("WARNING", {"committed": 0, "unfinished": 200})
    assert world.committed() == {}


async def test_last_line_of_an_orderly_end_counts_nothing_unfinished(
    world: ConsumerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Queued records were never begun."""
    caplog.set_level(logging.INFO)
    world.append(150)
    async with world.running():
        await until(lambda: world.committed() == {0: 150})
    assert last_line(caplog) == ("INFO", {"committed": 150, "unfinished": 0})


async def test_cancelled_run_ends_every_task(world: ConsumerWorld) -> None:
    """Nothing works on behind the back of its caller."""
    world.append(3)
    world.store.gate.clear()
    before = asyncio.all_tasks()
    await world.source.open()
    run = asyncio.create_task(world.consumer.run(world.stop))
    await until(lambda: bool(world.store.calls))
    run.cancel()
    await asyncio.wait([run])
    assert asyncio.all_tasks() == before


async def test_stop_behind_a_retried_halt_waits_for_commits(
    world: ConsumerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the batch before, and that of the dead letters."""
    halt, failures = world.states.halt, [Unavailable("database: down")]

    async def fail_once(partition: int, found: Halt) -> None:
        if failures:
            raise failures.pop()
        await halt(partition, found)

    monkeypatch.setattr(world.states, "halt", fail_once)
    world.source.commit_gate.clear()
    world.append(3)
    async with world.running():
        await until(lambda: bool(world.source.commits))
        world.append_garbage(20)
        await until(lambda: world.consumer.partitions.halted.keys() == {0})
        await settled()
        world.stop.set()
        await settled()
        world.source.commit_gate.set()
    assert world.committed() == {0: 23}
