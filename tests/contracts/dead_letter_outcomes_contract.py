"""The contract of `DeadLetterIndex` and `ReplayJobs` together: replays end in the index, and outlive it."""

from dataclasses import replace
from typing import Protocol
from uuid import uuid4

import pytest

from application.dead_letters.jobs import ItemState, JobCommand
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import NewEntry
from application.ports import DeadLetterIndex, Receipt, ReplayJobs
from domain.errors import Rejected
from tests.contracts.dead_letter_changes_contract import REBUILD, batches, edit
from tests.contracts.dead_letter_index_contract import EVERYTHING, IndexContract, IndexUnderTest, one
from tests.support.letters import DISCARD, REPLAY, RESTORE, a_letter, an_entry

CANCEL = NewEntry("api", "cancel job", {}, "")


class IndexWithJobs(IndexUnderTest, Protocol):
    """An index with its jobs, on which each worker's lease holds for the whole test."""

    def jobs(self) -> ReplayJobs:
        """Open its jobs."""
        ...


class OutcomesContract(IndexContract):
    """Subclasses override the fixture `letters`."""

    @pytest.fixture
    def letters(self) -> IndexWithJobs:
        raise NotImplementedError

    async def test_failure_of_a_replay_is_its_outcome(self, letters: IndexWithJobs, index: DeadLetterIndex) -> None:
        """The job says why."""
        await index.note([a_letter(1), a_letter(2)])
        jobs, worker = letters.jobs(), uuid4()
        job = await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 2)
        await jobs.claim(worker)
        await jobs.next_items(job.id, worker, 2)
        await index.note([a_letter(1, replays=1, message="again"), a_letter(2, replays=2, message="another's")])
        found = await jobs.get(job.id)
        assert found is not None
        assert dict(found.job.counts) == {ItemState.DEAD: 1, ItemState.SENDING: 1}
        assert [(failure.letter_id, failure.reason) for failure in found.failures] == [("0-1", "again")]

    async def test_replays_outlive_a_rebuild(self, letters: IndexWithJobs, index: DeadLetterIndex) -> None:
        """In whatever state a job has left each letter."""
        batch = [a_letter(number) for number in range(9)]
        await index.note(batch)
        await index.change(LetterFilter(ids=["0-8"]), DISCARD, an_entry(DISCARD), 1)
        jobs, worker = letters.jobs(), uuid4()
        await jobs.create(LetterFilter(ids=["0-7"]), REPLAY, an_entry(REPLAY), 1)
        await jobs.control((await jobs.newest(1))[0].id, JobCommand.CANCEL, CANCEL)
        await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 8)
        job = await jobs.claim(worker)
        assert job is not None
        items = await jobs.next_items(job.id, worker, 7)
        assert [item.letter_id for item in items] == [f"0-{number}" for number in range(7)]
        published = {f"0-{number}": Receipt(0, 100 + number) for number in range(5)}
        await jobs.published(job.id, worker, {**published, "0-5": Rejected("too large")})
        await jobs.stored(job.id, worker, ["0-0", "0-1", "0-4"])
        again = a_letter(2, replays=1)
        await index.note([again])
        await index.change(LetterFilter(ids=["0-2"]), DISCARD, an_entry(DISCARD), 1)
        back = a_letter(4, replays=1)
        await index.note([back])
        before = await index.get([each.id for each in batch])
        states = ["stored", "stored", "discarded", "replayed", "dead", "dead", "replaying", "replaying", "discarded"]
        assert [each.letter.state.value for each in before] == states
        assert await index.rebuild(batches([back, *batch], [again]), REBUILD) == 9
        after = await index.get([each.id for each in batch])
        assert after == before
        outcomes = await jobs.get(job.id)
        assert outcomes is not None
        assert dict(outcomes.job.counts) == {
            ItemState.STORED: 2,
            ItemState.DEAD: 3,
            ItemState.REPLAYED: 1,
            ItemState.SENDING: 1,
            ItemState.WAITING: 1,
        }

    async def test_job_ends_without_letters_that_a_rebuild_did_not_find(
        self, letters: IndexWithJobs, index: DeadLetterIndex
    ) -> None:
        """The DLQ has lost them: what is not there can neither be published nor come back."""
        await index.note([a_letter(number) for number in range(4)])
        jobs, worker = letters.jobs(), uuid4()
        job = await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 4)
        await jobs.claim(worker)
        await jobs.next_items(job.id, worker, 2)
        await jobs.published(job.id, worker, {"0-0": Receipt(0, 9)})
        await index.rebuild(batches([a_letter(3)]), REBUILD)
        items = await jobs.next_items(job.id, worker, 10)
        assert [item.letter_id for item in items] == ["0-3"]
        await jobs.published(job.id, worker, {"0-3": Rejected("too large")})
        assert await jobs.finish(job.id, worker)
        found = await jobs.get(job.id)
        assert found is not None
        assert dict(found.job.counts) == {ItemState.CANCELLED: 3, ItemState.DEAD: 1}

    async def test_failure_of_an_earlier_replay_leaves_a_later_one_alone(
        self, letters: IndexWithJobs, index: DeadLetterIndex
    ) -> None:
        """As where it comes late: the letter belongs to the later replay's job, also after a rebuild."""
        await index.note([a_letter(1)])
        jobs = letters.jobs()
        job = await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 1)
        await jobs.control(job.id, JobCommand.CANCEL, CANCEL)
        await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 1)
        await index.note([a_letter(1, replays=1)])
        found = await one(index)
        assert (found.letter.state, found.letter.replays) == (LetterState.REPLAYING, 2)
        assert [each.replays for each in found.failures] == [0, 1]
        await index.rebuild(batches([a_letter(1), a_letter(1, replays=1)]), REBUILD)
        found = await one(index)
        assert (found.letter.state, found.letter.replays) == (LetterState.REPLAYING, 2)

    async def test_replay_of_an_edited_letter_outlives_a_rebuild(
        self, letters: IndexWithJobs, index: DeadLetterIndex
    ) -> None:
        """A letter that was discarded and restored between two replays, too."""
        await index.note([a_letter(1)])
        await edit(index)
        jobs, worker = letters.jobs(), uuid4()
        for number in (1, 2):
            job = await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 1)
            await jobs.claim(worker)
            await jobs.next_items(job.id, worker, 1)
            await jobs.published(job.id, worker, {"0-1": Receipt(0, number)})
            if number == 1:
                await index.note([replace(a_letter(1, replays=1, edit=1), dlq_partition=1)])
                await jobs.finish(job.id, worker)
                for order in (DISCARD, RESTORE):
                    await index.change(EVERYTHING, order, an_entry(order), 1)
        before = await one(index)
        assert (before.letter.state, before.letter.replays) == (LetterState.REPLAYED, 2)
        await index.rebuild(batches([replace(a_letter(1, replays=1, edit=1), dlq_partition=1)], [a_letter(1)]), REBUILD)
        assert await one(index) == before
        await jobs.stored(job.id, worker, ["0-1"])
        assert (await one(index)).letter.state is LetterState.STORED

    async def test_discard_by_a_job_outlives_a_rebuild(self, letters: IndexWithJobs, index: DeadLetterIndex) -> None:
        """As one that was carried out at once."""
        await index.note([a_letter(1)])
        jobs, worker = letters.jobs(), uuid4()
        job = await jobs.create(EVERYTHING, DISCARD, an_entry(DISCARD), 1)
        await jobs.claim(worker)
        assert await jobs.change_some(job.id, worker, 1) == 1
        before = await one(index)
        assert before.letter.state is LetterState.DISCARDED
        await index.rebuild(batches([a_letter(1)]), REBUILD)
        assert await one(index) == before

    async def test_record_of_a_replay_that_was_stored_makes_the_letter_dead(
        self, letters: IndexWithJobs, index: DeadLetterIndex
    ) -> None:
        """As where it was published twice: a person has to look."""
        await index.note([a_letter(1)])
        jobs, worker = letters.jobs(), uuid4()
        job = await jobs.create(EVERYTHING, REPLAY, an_entry(REPLAY), 1)
        await jobs.claim(worker)
        await jobs.next_items(job.id, worker, 1)
        await jobs.published(job.id, worker, {"0-1": Receipt(0, 9)})
        await jobs.stored(job.id, worker, ["0-1"])
        await index.note([a_letter(1, replays=1)])
        assert (await one(index)).letter.state is LetterState.DEAD
