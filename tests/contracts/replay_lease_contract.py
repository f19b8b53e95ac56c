"""The contract of `ReplayJobs`: leases."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from application.dead_letters.jobs import ItemState, JobCommand, JobState, LeaseLost
from application.dead_letters.letters import LetterState
from application.ports import Receipt, ReplayJobs
from tests.contracts.replay_jobs_contract import (
    CONTROL,
    JobsUnderTest,
    ReplayJobsContract,
    claimed,
    counts,
    created,
    sent,
    states,
)
from tests.support.letters import DISCARD

Call = Callable[[ReplayJobs, UUID, UUID], Awaitable[object]]
CALLS: dict[str, Call] = {
    "renew": lambda jobs, job, worker: jobs.renew(job, worker),
    "release": lambda jobs, job, worker: jobs.release(job, worker),
    "next_items": lambda jobs, job, worker: jobs.next_items(job, worker, 10),
    "published": lambda jobs, job, worker: jobs.published(job, worker, {"0-1": Receipt(1, 1)}),
    "awaiting": lambda jobs, job, worker: jobs.awaiting(job, worker, {1: 9}, 10),
    "stored": lambda jobs, job, worker: jobs.stored(job, worker, ["0-0"]),
    "explain": lambda jobs, job, worker: jobs.explain(job, worker, "why"),
    "halt": lambda jobs, job, worker: jobs.halt(job, worker, "why"),
    "finish": lambda jobs, job, worker: jobs.finish(job, worker),
    "change_some": lambda jobs, job, worker: jobs.change_some(job, worker, 10),
}
"""What a worker does with its job."""


class LeaseContract(ReplayJobsContract):
    """Subclasses override the fixture `tables`."""

    async def test_workers_that_claim_at_once_share_the_jobs_out(self, tables: JobsUnderTest) -> None:
        """Each job has one worker."""
        await created(tables, 1)
        others = [await created(tables, 1, DISCARD) for _ in range(2)]
        assert [job.letters for job in others] == [0, 0]
        found = await asyncio.gather(*(tables.jobs().claim(uuid4()) for _ in range(10)))
        assert sum(job is not None for job in found) == 1

    async def test_oldest_job_is_claimed_first(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """It counts as started then."""
        first = await created(tables, 2, DISCARD)
        second = await created(tables, 2, DISCARD)
        claims = [await jobs.claim(uuid4()) for _ in range(3)]
        assert [job and job.id for job in claims] == [first.id, second.id, None]
        assert claims[0] is not None
        assert claims[0].started_at is not None
        assert claims[0].rate == 0

    async def test_job_whose_lease_ran_out_is_taken_over(self, tables: JobsUnderTest) -> None:
        """With what its worker has taken."""
        dead, new_owner = uuid4(), uuid4()
        job = await created(tables, 2)
        begun = await tables.jobs(lease=0.0).claim(dead)
        assert begun is not None
        taken = await tables.jobs().claim(new_owner)
        assert taken is not None
        assert (taken.id, taken.started_at) == (job.id, begun.started_at)
        assert await tables.jobs().claim(uuid4()) is None
        with pytest.raises(LeaseLost):
            await tables.jobs().renew(job.id, dead)
        assert (await tables.jobs().renew(job.id, new_owner)).id == job.id

    async def test_renewed_lease_lasts_longer(self, tables: JobsUnderTest) -> None:
        """By as much as a new one."""
        worker = uuid4()
        job = await claimed(tables, worker)
        await tables.jobs(lease=0.0).renew(job.id, worker)
        with pytest.raises(LeaseLost):
            await tables.jobs().renew(job.id, worker)

    async def test_released_job_is_free_at_once(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """For whoever claims first."""
        worker = uuid4()
        job = await claimed(tables, worker)
        await jobs.release(job.id, worker)
        again = await jobs.claim(uuid4())
        assert again is not None
        assert again.id == job.id

    async def test_released_job_comes_after_those_that_wait_for_longer(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """So that each has its turn."""
        made = [(await created(tables, 2, DISCARD)).id for _ in range(3)]
        found = []
        for _ in range(6):
            worker = uuid4()
            job = await jobs.claim(worker)
            assert job is not None
            found.append(job.id)
            await jobs.release(job.id, worker)
        assert found == made * 2

    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
    @pytest.mark.parametrize("is_replaced", [False, True])
    async def test_worker_without_lease_changes_nothing(
        self, tables: JobsUnderTest, jobs: ReplayJobs, call: Call, *, is_replaced: bool
    ) -> None:
        """Whether or not another one has the job."""
        worker = uuid4()
        job = await claimed(tables, worker)
        await sent(tables, job, worker, 1)
        await jobs.next_items(job.id, worker, 1)
        await tables.jobs(lease=0.0).renew(job.id, worker)
        if is_replaced:
            await jobs.claim(uuid4())
        before = await jobs.get(job.id)
        assert before is not None
        with pytest.raises(LeaseLost):
            await call(jobs, job.id, worker)
        after = await jobs.get(job.id)
        assert after is not None
        assert (after.groups, after.job.state, after.job.why) == (before.groups, before.job.state, before.job.why)
        assert await counts(tables, job) == {ItemState.REPLAYED: 1, ItemState.SENDING: 1, ItemState.WAITING: 1}
        assert await states(tables) == {
            "0-0": LetterState.REPLAYED,
            "0-1": LetterState.REPLAYING,
            "0-2": LetterState.REPLAYING,
        }

    async def test_job_that_does_not_run_is_claimed_for_its_outcomes_alone(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Once the last published letter has one, nothing is left to do."""
        worker = uuid4()
        job = await claimed(tables, worker, 2)
        await sent(tables, job, worker, 1)
        await jobs.control(job.id, JobCommand.PAUSE, CONTROL)
        await jobs.release(job.id, worker)
        found = await jobs.claim(worker)
        assert found is not None
        assert found.state is JobState.PAUSED
        await jobs.stored(job.id, worker, ["0-0"])
        await jobs.release(job.id, worker)
        assert await jobs.claim(worker) is None
        await jobs.control(job.id, JobCommand.RESUME, CONTROL)
        assert await jobs.claim(worker) is not None

    async def test_cancelled_job_is_claimed_for_letters_that_may_be_published(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """They are published again."""
        worker = uuid4()
        job = await claimed(tables, worker, 2)
        await jobs.next_items(job.id, worker, 1)
        await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        await jobs.release(job.id, worker)
        assert await jobs.claim(worker) is not None
        assert await sent(tables, job, worker) == ["0-0"]
