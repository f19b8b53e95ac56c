"""The consumer's watchdog at work: what it looks at, and in which order it ends a process."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import Mock

import pytest

from domain.errors import Unavailable
from entrypoints.processes.health import Readiness
from entrypoints.processes.watchdog import ConsumerWatchdog, NoProgress
from tests.support.consumer_world import PACE, ConsumerWorld, until
from tests.support.waiting import PATIENCE

LIMIT = 60.0


class WatchedWorld(ConsumerWorld):
    """A consumer with a watchdog, whose clock and checks the test controls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(replace(PACE, finish=0.1))
        self.readiness = Readiness({})
        self._seconds = 0.0
        monkeypatch.setattr("entrypoints.processes.watchdog.monotonic", lambda: self._seconds)
        monkeypatch.setattr("entrypoints.processes.watchdog.pause", self._pause)
        self._looks = 0
        self._is_to_look = False
        self.watchdog = ConsumerWatchdog(self.consumer, self.source, self.readiness, LIMIT)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[asyncio.Task[None]]:
        """Watch the running consumer meanwhile."""
        async with self.running():
            watching = asyncio.create_task(self.watchdog.run(self.stop))
            await until(lambda: self.consumer.pulse.turns > 0 and self._looks > 0)
            yield watching
            self.stop.set()
            await asyncio.wait([watching])

    async def look(self, *, after: float = 0.0) -> None:
        """Have the watch look when so many seconds have passed; return when it has found nothing to end it."""
        looks = self._looks
        self._seconds += after
        self._is_to_look = True
        await until(lambda: self._looks > looks)

    async def last_look(self, watching: asyncio.Task[None]) -> None:
        """Have the watch look, and end of it."""
        self._is_to_look = True
        async with asyncio.timeout(PATIENCE):
            await watching

    async def turn(self) -> None:
        """Return when the loop has come round."""
        turns = self.consumer.pulse.turns
        await until(lambda: self.consumer.pulse.turns > turns)

    async def hang(self) -> None:
        """Look when the store was asked, and again after the limit: health fails."""
        await until(lambda: bool(self.store.calls))
        await self.look()
        await self.look(after=LIMIT)
        assert self.readiness.failure is not None

    def attempts(self) -> int:
        """How often partition 0 was begun without a good end."""
        return self.states.table["events", "group"][0].attempts

    async def _pause(self, _seconds: float, stop: asyncio.Event) -> None:
        self._looks += 1
        await until(lambda: self._is_to_look or stop.is_set())
        self._is_to_look = False


@pytest.fixture(autouse=True)
def timer(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """In the place of the one that ends the process, which would be that of these tests."""
    timer = Mock()
    monkeypatch.setattr("entrypoints.processes.watchdog.faulthandler", timer)
    return timer


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> WatchedWorld:
    """A world without any record."""
    return WatchedWorld(monkeypatch)


async def test_consumer_that_hangs_fails_its_health_and_is_then_ended(
    world: WatchedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempts are taken back although a batch is in flight, which nobody commits."""
    world.append(3)
    world.store.gate.clear()
    async with world.watched() as watching:
        await world.hang()
        assert world.attempts() == 1
        assert not watching.done()
        with pytest.raises(NoProgress, match=r"nothing was done for|has not come round for"):
            await world.last_look(watching)
        assert world.attempts() == 0
        world.store.gate.set()
    assert [record.levelno for record in caplog.records if record.getMessage() == "no progress"] == [logging.ERROR]


async def test_hang_that_resolves_in_time_is_forgiven(world: WatchedWorld) -> None:
    """Health recovers with it."""
    world.append(3)
    world.store.gate.clear()
    async with world.watched() as watching:
        await world.hang()
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 3})
        await world.look()
        assert world.readiness.failure is None
        assert not watching.done()


@pytest.mark.parametrize("what", ["store", "letters", "log", "commit"])
async def test_outage_is_no_hang(world: WatchedWorld, what: str) -> None:
    """However long it lasts: what is retried waits on purpose."""
    world.append(3)
    world.log.append("events", None, b"[1]", partition=1)
    outage = Unavailable("down")
    if what == "commit":
        world.source.commit_outage = outage
    else:
        {"store": world.store, "letters": world.letters, "log": world.source}[what].outage = outage
    async with world.watched() as watching:
        await until(lambda: world.consumer.waits_for is not None)
        await assert_is_no_hang(world, watching)


async def test_halted_partition_is_no_hang(world: WatchedWorld) -> None:
    """It waits for a person."""
    for _ in range(40):
        world.log.append("events", None, b"[1]", partition=1)
    async with world.watched() as watching:
        await until(lambda: 1 in world.consumer.partitions.halted)
        await assert_is_no_hang(world, watching)


async def assert_is_no_hang(world: WatchedWorld, watching: asyncio.Task[None]) -> None:
    """Let the limit pass again and again."""
    for _ in range(4):
        await world.turn()
        await world.look(after=LIMIT)
        assert (watching.done(), world.readiness.failure) == (False, None)


async def test_source_that_delivers_nothing_of_what_the_log_has_is_a_hang(
    world: WatchedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop comes round all the time, but a client may have lost its way."""
    world.append(3)
    poll = world.source.poll
    monkeypatch.setattr(world.source, "poll", lambda limit, wait, **_: poll(limit, wait, paused={0, 1, 2}))
    async with world.watched() as watching:
        await world.look()
        await world.turn()
        await world.look(after=LIMIT)
        await world.turn()
        with pytest.raises(NoProgress, match="nothing was done for 60 s although 3 records wait"):
            await world.last_look(watching)


async def test_timer_for_a_loop_that_stands_still_is_wound_up_until_the_end(world: WatchedWorld, timer: Mock) -> None:
    """Then it is cancelled: the end has a limit of its own."""
    async with world.watched():
        for _ in range(2):
            await world.look()
        assert timer.dump_traceback_later.call_count == 3
        timer.dump_traceback_later.assert_called_with(LIMIT, exit=True)
        timer.cancel_dump_traceback_later.assert_not_called()
    timer.cancel_dump_traceback_later.assert_called_once_with()
