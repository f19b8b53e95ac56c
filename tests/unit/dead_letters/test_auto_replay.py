"""Letters of an outage are replayed by themselves, over the adapters in memory."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.memory import MemoryDeadLetterIndex
from application.consume.pace import Backoff
from application.dead_letters.auto_replay import MAX_REPLAYS, WHO, AutoReplay
from application.dead_letters.jobs import JobCommand, JobState
from application.dead_letters.letters import LetterState
from application.dead_letters.orders import NewEntry
from domain.dead_letter import FailureKind
from domain.errors import Rejected, Unavailable, WrongDeployment
from tests.support.consumer_world import settled
from tests.support.letters import a_letter
from tests.support.replay_world import ReplayWorld
from tests.support.waiting import PATIENCE

_MINUTE = 13
"""So many looks: the last is a minute after the first."""


class IndexWithDue(MemoryDeadLetterIndex):
    """Calls those letters due that a test names."""

    letters_due: Sequence[str] = ()

    async def due(self, kind: str, max_replays: int, limit: int) -> Sequence[str]:
        assert (kind, max_replays) == (FailureKind.EXHAUSTED, MAX_REPLAYS)
        return self.letters_due[:limit]


class AutoWorld(ReplayWorld):
    """A look each time that it is asked for, five seconds after the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.index = self.due_index = IndexWithDue(self.letters, "events")
        self.seconds = 0.0
        self._auto = AutoReplay(self.index, self.jobs, self.store, Backoff(0.001, 0.001), clock=lambda: self.seconds)

    async def due(self, letters: int) -> None:
        """Have so many letters due."""
        await self.index.note([a_letter(number, kind=FailureKind.EXHAUSTED) for number in range(letters)])
        self.due_index.letters_due = [f"0-{number}" for number in range(letters)]

    async def look(self, times: int = 1) -> None:
        """Look so many times."""
        for _ in range(times):
            stop = asyncio.Event()
            run = asyncio.create_task(self._auto.run(stop))
            await settled()
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await run
            self.seconds += 5.0


@pytest.fixture
def world() -> AutoWorld:
    """One of each test's own."""
    return AutoWorld()


async def test_due_letters_are_replayed_after_a_good_minute(world: AutoWorld) -> None:
    """Not before, and once."""
    await world.due(3)
    await world.look(_MINUTE - 1)
    assert await world.jobs.newest(10) == []
    await world.look()
    (job,) = await world.jobs.newest(10)
    assert (job.who, job.letters, job.order.max_replays, job.state) == (WHO, 3, MAX_REPLAYS, JobState.RUNNING)
    assert world.states() == {LetterState.REPLAYING: 3}
    await world.look(_MINUTE)
    assert len(await world.jobs.newest(10)) == 1
    assert [entry.who for entry in world.letters.audit_log] == [WHO]


@pytest.mark.parametrize("outage", [Unavailable("away"), Rejected("read-only"), WrongDeployment("no table")])
async def test_minute_begins_anew_after_an_outage(world: AutoWorld, outage: Exception) -> None:
    """However short it was."""
    await world.due(3)
    await world.look(_MINUTE - 1)
    world.store.outage = outage
    await world.look()
    world.store.outage = None
    await world.look(_MINUTE - 1)
    assert await world.jobs.newest(10) == []
    await world.look()
    assert len(await world.jobs.newest(10)) == 1


async def test_nothing_is_made_while_nothing_is_due(world: AutoWorld) -> None:
    """Not even an entry in the audit log."""
    await world.look(2 * _MINUTE)
    assert (await world.jobs.newest(10), world.letters.audit_log) == ([], [])


async def test_next_job_waits_for_the_end_of_the_last_one(world: AutoWorld) -> None:
    """Whatever a person did to that."""
    await world.due(1)
    await world.look(_MINUTE)
    (first,) = await world.jobs.newest(10)
    await world.index.note([a_letter(7, kind=FailureKind.EXHAUSTED)])
    world.due_index.letters_due = ["0-7"]
    await world.jobs.control(first.id, JobCommand.PAUSE, NewEntry("api", "pause job", {}, ""))
    await world.look(_MINUTE)
    assert len(await world.jobs.newest(10)) == 1
    await world.jobs.control(first.id, JobCommand.CANCEL, NewEntry("api", "cancel job", {}, ""))
    await world.look()
    assert len(await world.jobs.newest(10)) == 2


async def test_letters_that_another_process_has_taken_make_no_job(world: AutoWorld) -> None:
    """Both had found them due."""
    await world.due(2)
    world.due_index.letters_due = ["0-0", "0-1", "0-2"]
    await world.look(_MINUTE)
    assert (await world.jobs.newest(10), world.letters.audit_log) == ([], [])


async def test_outage_of_the_jobs_is_logged_and_waited_for(world: AutoWorld, caplog: pytest.LogCaptureFixture) -> None:
    """Then the letters are replayed."""
    await world.due(2)
    world.jobs.outage = Unavailable("the database is away")
    await world.look(_MINUTE)
    world.jobs.outage = None
    assert "replaying by itself: failing, trying again" in caplog.messages
    await world.look()
    assert len(await world.jobs.newest(10)) == 1
