"""The contract of `ReplayJobs`: how letters pass through a job."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from application.dead_letters.jobs import ItemState, JobCommand, JobState
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import NewEntry
from application.ports import Receipt, ReplayJobs
from domain.dead_letter import FailureKind
from domain.errors import Rejected
from tests.contracts.replay_jobs_contract import (
    ALL,
    CONTROL,
    JobsUnderTest,
    ReplayJobsContract,
    claimed,
    counts,
    created,
    sent,
    states,
)
from tests.support.events import an_event
from tests.support.letters import DISCARD, REPLAY, RESTORE, a_letter, an_entry

MIB = 1024 * 1024
COMMITTED = {1: 1_000}


class ItemsContract(ReplayJobsContract):
    """Subclasses override the fixture `tables`."""

    async def test_letters_are_taken_whole_in_the_order_of_first_failures(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """However they were noted."""
        worker = uuid4()
        await tables.index.note([a_letter(number) for number in (3, 1, 2)])
        await claimed(tables, worker, 0)
        (job,) = await jobs.newest(1)
        first = await jobs.next_items(job.id, worker, 2)
        assert [item.letter_id for item in first] == ["0-1", "0-2"]
        letter = a_letter(1)
        assert (first[0].number, first[0].edit, first[0].origin) == (1, 0, letter.origin)
        assert (first[0].key, first[0].value, first[0].first_failed_at) == (
            letter.key,
            letter.value,
            letter.first_failed_at,
        )
        assert [tuple(header) for header in first[0].headers] == letter.headers
        assert (first[0].needs_new_id, first[0].partition, first[0].offset) == (False, None, None)

    async def test_letters_that_were_taken_and_not_published_come_first(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Then those behind them."""
        worker = uuid4()
        job = await claimed(tables, worker, 4)
        await jobs.next_items(job.id, worker, 2)
        await jobs.published(job.id, worker, {"0-0": Receipt(1, 0)})
        items = await jobs.next_items(job.id, worker, 2)
        assert [item.letter_id for item in items] == ["0-1", "0-2"]
        assert await counts(tables, job) == {ItemState.REPLAYED: 1, ItemState.SENDING: 2, ItemState.WAITING: 1}

    async def test_large_letters_are_taken_by_and_by(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Each once."""
        worker, value = uuid4(), b"x" * (9 * MIB)
        await tables.index.note([a_letter(number, value=value) for number in range(3)])
        job = await claimed(tables, worker, 0)
        taken: list[str] = []
        while batch := await sent(tables, job, worker):
            taken += batch
        assert taken == ["0-0", "0-1", "0-2"]

    async def test_replay_publishes_the_last_edit(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """With its key, and its number."""
        worker = uuid4()
        await tables.index.note([a_letter(0, kind=FailureKind.CONFLICT)])
        for value in (b"1", b"2"):
            await tables.index.edit("0-0", value, b"user-2", an_event("user-2"), NewEntry("api", "edit", {}, ""))
        await claimed(tables, worker, 0)
        (job,) = await jobs.newest(1)
        (item,) = await jobs.next_items(job.id, worker, 10)
        assert (item.value, item.key, item.edit, item.needs_new_id) == (b"2", b"user-2", 2, False)

    async def test_unedited_conflict_gets_a_new_id_where_ordered(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Letters of other kinds keep theirs."""
        worker = uuid4()
        await tables.index.note([a_letter(0, kind=FailureKind.CONFLICT), a_letter(1)])
        job = await claimed(tables, worker, 0, replace(REPLAY, new_event_id=True))
        items = await jobs.next_items(job.id, worker, 10)
        assert [item.needs_new_id for item in items] == [True, False]

    async def test_published_letter_is_replayed_then_stored(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Its outcome is asked for once the group has passed its record."""
        worker = uuid4()
        job = await claimed(tables, worker, 3)
        await sent(tables, job, worker, 2)
        assert await counts(tables, job) == {ItemState.REPLAYED: 2, ItemState.WAITING: 1}
        assert (await states(tables))["0-1"] is LetterState.REPLAYED
        for committed in ({}, {0: 9}, {1: 0}):
            assert await jobs.awaiting(job.id, worker, committed, 10) == []
        (first,) = await jobs.awaiting(job.id, worker, {0: 9, 1: 1}, 10)
        assert (first.letter_id, first.value, first.partition, first.offset) == ("0-0", a_letter(0).value, 1, 0)
        both = await jobs.awaiting(job.id, worker, {1: 2}, 10)
        assert [item.letter_id for item in both] == ["0-0", "0-1"]
        assert await jobs.awaiting(job.id, worker, {1: 2}, 1) == [first]
        await jobs.stored(job.id, worker, ["0-0"])
        assert await counts(tables, job) == {ItemState.STORED: 1, ItemState.REPLAYED: 1, ItemState.WAITING: 1}
        assert (await states(tables))["0-0"] is LetterState.STORED
        renewed = await jobs.renew(job.id, worker)
        assert renewed.rate is not None
        assert renewed.rate > 0

    async def test_letter_that_the_log_refuses_is_dead_again(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """The job says why."""
        worker = uuid4()
        job = await claimed(tables, worker, 2)
        await jobs.next_items(job.id, worker, 1)
        await jobs.published(job.id, worker, {"0-0": Rejected("the record is too large")})
        assert await counts(tables, job) == {ItemState.DEAD: 1, ItemState.WAITING: 1}
        assert (await states(tables))["0-0"] is LetterState.DEAD
        found = await jobs.get(job.id)
        assert found is not None
        assert [tuple(failure) for failure in found.failures] == [("0-0", "the record is too large")]

    @pytest.mark.parametrize("when", ["before it was noted", "before it was passed", "before it was asked for"])
    async def test_letter_that_fails_again_meanwhile_stays_dead(
        self, tables: JobsUnderTest, jobs: ReplayJobs, when: str
    ) -> None:
        """The index learns of it from the DLQ, at any time."""
        worker, again = uuid4(), a_letter(0, replays=1, message="refused again")
        job = await claimed(tables, worker, 2)
        await jobs.next_items(job.id, worker, 2)
        if when == "before it was noted":
            await tables.index.note([again])
        await sent(tables, job, worker, 2)
        if when == "before it was passed":
            await tables.index.note([again])
        awaited = await jobs.awaiting(job.id, worker, COMMITTED, 10)
        if when == "before it was asked for":
            await tables.index.note([again])
        await jobs.stored(job.id, worker, ["0-0", *(item.letter_id for item in awaited)])
        assert await states(tables) == {"0-0": LetterState.DEAD, "0-1": LetterState.STORED}
        assert await counts(tables, job) == {ItemState.DEAD: 1, ItemState.STORED: 1}
        found = await jobs.get(job.id)
        assert found is not None
        assert [tuple(failure) for failure in found.failures] == [("0-0", "refused again")]
        assert await jobs.finish(job.id, worker)

    async def test_letter_may_be_replayed_again(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Under the next number; what the first job says stays."""
        worker = uuid4()
        first = await claimed(tables, worker, 1)
        await sent(tables, first, worker)
        await tables.index.note([a_letter(0, replays=1)])
        await jobs.finish(first.id, worker)
        second = await claimed(tables, worker, 0)
        (item,) = await jobs.next_items(second.id, worker, 10)
        assert item.number == 2
        await jobs.published(second.id, worker, {"0-0": Receipt(1, 7)})
        await jobs.stored(second.id, worker, ["0-0"])
        assert await counts(tables, first) == {ItemState.DEAD: 1}
        assert await counts(tables, second) == {ItemState.STORED: 1}
        assert await states(tables) == {"0-0": LetterState.STORED}

    async def test_noting_twice_changes_nothing(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """As after a commit of unknown outcome."""
        worker = uuid4()
        job = await claimed(tables, worker, 1)
        await jobs.next_items(job.id, worker, 1)
        for _ in range(2):
            await jobs.published(job.id, worker, {"0-0": Receipt(1, 0)})
        for _ in range(2):
            await jobs.stored(job.id, worker, ["0-0"])
        await jobs.published(job.id, worker, {"0-0": Receipt(1, 1)})
        assert await counts(tables, job) == {ItemState.STORED: 1}


class EndContract(ReplayJobsContract):
    """Subclasses override the fixture `tables`."""

    async def test_job_ends_once_each_letter_has_its_outcome(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Not before."""
        worker = uuid4()
        job = await claimed(tables, worker, 1)
        assert not await jobs.finish(job.id, worker)
        await sent(tables, job, worker)
        assert not await jobs.finish(job.id, worker)
        await jobs.stored(job.id, worker, ["0-0"])
        assert await jobs.finish(job.id, worker)
        found = await jobs.get(job.id)
        assert found is not None
        assert (found.job.state, found.job.why) == (JobState.FINISHED, None)
        assert found.job.ended_at is not None
        assert await jobs.claim(worker) is None

    async def test_halted_job_says_why_until_it_is_resumed(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Without a canary, and free for any worker."""
        worker = uuid4()
        job = await claimed(tables, worker, 2, replace(REPLAY, canary=1))
        await jobs.halt(job.id, worker, "0-0 failed again")
        (halted,) = await jobs.newest(1)
        assert (halted.state, halted.why) == (JobState.HALTED, "0-0 failed again")
        assert await jobs.claim(worker) is None
        await jobs.control(job.id, JobCommand.RESUME, CONTROL)
        resumed = await jobs.claim(worker)
        assert resumed is not None
        assert (resumed.state, resumed.why, resumed.order.canary) == (JobState.RUNNING, None, 0)

    async def test_halted_job_keeps_its_cause_and_does_not_end(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """While a worker still collects outcomes."""
        worker = uuid4()
        job = await claimed(tables, worker, 1)
        await sent(tables, job, worker)
        await jobs.halt(job.id, worker, "the canary failed")
        assert await jobs.claim(worker) is not None
        await jobs.explain(job.id, worker, "the database is away")
        await jobs.stored(job.id, worker, ["0-0"])
        assert not await jobs.finish(job.id, worker)
        (halted,) = await jobs.newest(1)
        assert (halted.state, halted.why) == (JobState.HALTED, "the canary failed")

    async def test_cancelled_job_is_not_halted(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """The worker's halt came too late."""
        worker = uuid4()
        job = await claimed(tables, worker, 1)
        await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        await jobs.halt(job.id, worker, "the canary failed")
        (cancelled,) = await jobs.newest(1)
        assert (cancelled.state, cancelled.why) == (JobState.CANCELLED, None)

    async def test_job_says_what_it_waits_for(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """As long as it does."""
        worker = uuid4()
        job = await claimed(tables, worker, 1)
        await jobs.explain(job.id, worker, "the log is away")
        assert (await jobs.renew(job.id, worker)).why == "the log is away"
        await jobs.explain(job.id, worker, None)
        assert (await jobs.renew(job.id, worker)).why is None


class JobChangeContract(ReplayJobsContract):
    """Subclasses override the fixture `tables`."""

    async def test_letters_are_discarded_and_restored_some_at_a_time(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """The oldest first."""
        worker = uuid4()
        discard = await claimed(tables, worker, 3, DISCARD)
        assert await jobs.change_some(discard.id, worker, 2) == 2
        assert await states(tables) == {
            "0-0": LetterState.DISCARDED,
            "0-1": LetterState.DISCARDED,
            "0-2": LetterState.DEAD,
        }
        await self._ends(jobs, discard.id, worker)
        assert await counts(tables, discard) == {ItemState.CHANGED: 3}
        restore = await claimed(tables, worker, 0, RESTORE)
        await self._ends(jobs, restore.id, worker)
        assert set((await states(tables)).values()) == {LetterState.DEAD}

    async def test_letter_that_was_changed_meanwhile_is_left_alone(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Also where its state is the same again."""
        worker = uuid4()
        job = await claimed(tables, worker, 3, DISCARD)
        one, two = LetterFilter(ids=["0-0"]), LetterFilter(ids=["0-1"])
        await tables.index.change(one, DISCARD, an_entry(DISCARD), 1)
        await tables.index.change(one, RESTORE, an_entry(RESTORE), 1)
        await jobs.create(two, REPLAY, an_entry(REPLAY), 1)
        await self._ends(jobs, job.id, worker)
        assert await counts(tables, job) == {ItemState.CANCELLED: 2, ItemState.CHANGED: 1}
        assert await states(tables) == {
            "0-0": LetterState.DEAD,
            "0-1": LetterState.REPLAYING,
            "0-2": LetterState.DISCARDED,
        }

    async def test_paused_job_changes_nothing(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Until it is resumed."""
        worker = uuid4()
        job = await claimed(tables, worker, 1, DISCARD)
        await jobs.control(job.id, JobCommand.PAUSE, CONTROL)
        assert await jobs.change_some(job.id, worker, 10) == 0
        assert not await jobs.finish(job.id, worker)
        await jobs.control(job.id, JobCommand.RESUME, CONTROL)
        await self._ends(jobs, job.id, worker)

    async def test_second_discard_of_the_same_letters_finds_them_changed(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """It ends all the same."""
        worker = uuid4()
        first = await claimed(tables, worker, 2, DISCARD)
        second = await created(tables, 0, DISCARD)
        assert second.letters == 2
        await self._ends(jobs, first.id, worker)
        assert await jobs.claim(worker) is not None
        await self._ends(jobs, second.id, worker)
        assert await counts(tables, second) == {ItemState.CANCELLED: 2}
        assert (await tables.index.preview(ALL, RESTORE)).count == 2

    async def _ends(self, jobs: ReplayJobs, job_id: UUID, worker: UUID) -> None:
        while await jobs.change_some(job_id, worker, 2):
            pass
        assert await jobs.finish(job_id, worker)
