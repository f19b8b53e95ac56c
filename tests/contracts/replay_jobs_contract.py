"""The contract of `ReplayJobs`: jobs, and what people do to them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from application.dead_letters.jobs import ItemState, Job, JobCommand, JobState, NotPossible
from application.dead_letters.letters import LetterFilter, LetterState
from application.dead_letters.orders import CountChanged, NewEntry, Order
from application.ports import AuditLog, DeadLetterIndex, Receipt, ReplayJobs
from domain.dead_letter import FailureKind
from tests.support.letters import DISCARD, REPLAY, RESTORE, a_letter, an_entry

ALL = LetterFilter()
CONTROL = NewEntry("cli:ann@host", "pause job", {"job": "1"}, "too fast")
_ODDS = timedelta(minutes=1)
"""By how much the clocks may differ."""


class JobsUnderTest(Protocol):
    """An index of dead letters with its jobs and its audit log; empty at the start of each test."""

    @property
    def index(self) -> DeadLetterIndex: ...
    @property
    def audit_log(self) -> AuditLog: ...

    def jobs(self, lease: float = 15.0) -> ReplayJobs:
        """Open the jobs, as another process may at any time."""
        ...


class ReplayJobsContract:
    """What the suites about jobs share; subclasses override the fixture `tables`."""

    @pytest.fixture
    def tables(self) -> JobsUnderTest:
        raise NotImplementedError

    @pytest.fixture
    def jobs(self, tables: JobsUnderTest) -> ReplayJobs:
        """Those of one process."""
        return tables.jobs()


async def created(tables: JobsUnderTest, letters: int = 3, order: Order = REPLAY) -> Job:
    """Note so many letters, from offset 0 on, and make a job of all."""
    await tables.index.note([a_letter(number) for number in range(letters)])
    return await tables.jobs().create(ALL, order, an_entry(order), None)


async def claimed(tables: JobsUnderTest, worker: UUID, letters: int = 3, order: Order = REPLAY) -> Job:
    """Make such a job, and have a worker take it."""
    job = await created(tables, letters, order)
    found = await tables.jobs().claim(worker)
    assert found is not None
    assert found.id == job.id
    return found


async def sent(tables: JobsUnderTest, job: Job, worker: UUID, limit: int = 500) -> Sequence[str]:
    """Publish the next letters; the log has each in partition 1 under the offset of its origin."""
    items = await tables.jobs().next_items(job.id, worker, limit)
    receipts = {item.letter_id: Receipt(1, int(item.letter_id.removeprefix("0-"))) for item in items}
    await tables.jobs().published(job.id, worker, receipts)
    return list(receipts)


async def states(tables: JobsUnderTest) -> dict[str, LetterState]:
    """Read the state of each letter."""
    page = await tables.index.page(ALL, None, 1_000)
    return {letter.id: letter.state for letter in page.letters}


async def counts(tables: JobsUnderTest, job: Job) -> dict[ItemState, int]:
    """Read how many letters of a job are in which state, and check that these are all."""
    found = await tables.jobs().get(job.id)
    assert found is not None
    assert sum(found.job.counts.values()) == found.job.letters
    groups: Counter[ItemState] = Counter()
    for group in found.groups:
        groups.update(group.counts)
    assert groups == Counter(found.job.counts)
    return {state: count for state, count in found.job.counts.items() if count}


class CreateContract(ReplayJobsContract):
    """Jobs are made and listed."""

    async def test_replay_marks_its_letters_and_tells_its_terms(self, tables: JobsUnderTest) -> None:
        """With an entry in the audit log."""
        order = replace(REPLAY, max_replays=7, new_event_id=True, canary=2, rate_per_second=2.5)
        job = await created(tables, 3, order)
        assert (job.order, job.wanted, job.who, job.state, job.why) == (
            order,
            {"kind": "rejected"},
            "api",
            JobState.RUNNING,
            None,
        )
        assert (job.letters, dict(job.counts)) == (3, {ItemState.WAITING: 3})
        assert abs(job.created_at - datetime.now(UTC)) < _ODDS
        assert (job.started_at, job.ended_at, job.rate) == (None, None, None)
        page = await tables.index.page(ALL, None, 10)
        assert [(letter.state, letter.replays) for letter in page.letters] == [(LetterState.REPLAYING, 1)] * 3
        (entry,) = await tables.audit_log.page(None, 10)
        assert entry[2:] == ("api", "replay", {"kind": "rejected"}, {"letters": 3}, "mended")

    async def test_job_takes_only_letters_that_the_preview_counts(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Not those of other topics, replayed too often, discarded, or that would conflict again."""
        letters = [
            a_letter(0),
            replace(a_letter(1, topic="other"), id="dlq-0-1"),
            a_letter(2, replays=5),
            a_letter(3, kind=FailureKind.CONFLICT),
            a_letter(4),
        ]
        await tables.index.note(letters)
        await tables.index.change(LetterFilter(ids=["0-4"]), DISCARD, an_entry(DISCARD), None)
        assert (await tables.index.preview(ALL, REPLAY)).count == 1
        job = await jobs.create(ALL, REPLAY, an_entry(REPLAY), 1)
        assert job.letters == 1
        assert (await states(tables))["0-0"] is LetterState.REPLAYING
        assert (await jobs.create(ALL, replace(REPLAY, new_event_id=True), an_entry(REPLAY), 1)).letters == 1
        assert (await states(tables))["0-3"] is LetterState.REPLAYING

    async def test_job_takes_only_letters_that_match(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """The others may be in another job."""
        await tables.index.note([a_letter(number) for number in range(4)])
        assert (await jobs.create(LetterFilter(ids=["0-2", "9-9"]), REPLAY, an_entry(REPLAY), None)).letters == 1
        assert (await jobs.create(ALL, REPLAY, an_entry(REPLAY), None)).letters == 3

    async def test_job_without_letters_is_finished(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Nobody has to work on it."""
        job = await jobs.create(ALL, REPLAY, an_entry(REPLAY), 0)
        assert (job.state, job.letters, dict(job.counts)) == (JobState.FINISHED, 0, {})
        assert job.ended_at is not None
        assert await jobs.claim(uuid4()) is None
        assert await tables.audit_log.page(None, 10) != []

    async def test_unexpected_number_of_letters_changes_nothing(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """It says which number was found."""
        await tables.index.note([a_letter(number) for number in range(3)])
        with pytest.raises(CountChanged) as raised:
            await jobs.create(ALL, REPLAY, an_entry(REPLAY), 2)
        assert (raised.value.expected, raised.value.found) == (2, 3)
        assert set((await states(tables)).values()) == {LetterState.DEAD}
        assert (await jobs.newest(10), await tables.audit_log.page(None, 10)) == ([], [])

    async def test_discard_leaves_its_letters_for_now(self, tables: JobsUnderTest) -> None:
        """They are discarded one by one."""
        job = await created(tables, 3, DISCARD)
        assert (job.order, dict(job.counts)) == (DISCARD, {ItemState.WAITING: 3})
        assert set((await states(tables)).values()) == {LetterState.DEAD}

    async def test_replays_created_at_once_share_the_letters_out(self, tables: JobsUnderTest) -> None:
        """None of them is in two jobs."""
        await tables.index.note([a_letter(number) for number in range(50)])
        made = await asyncio.gather(*(tables.jobs().create(ALL, REPLAY, an_entry(REPLAY), None) for _ in range(5)))
        assert sum(job.letters for job in made) == 50
        page = await tables.index.page(ALL, None, 100)
        assert {letter.replays for letter in page.letters} == {1}

    async def test_jobs_are_listed_newest_first(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """A page goes on before the last job of the one before."""
        await tables.index.note([a_letter(number) for number in range(3)])
        made = [
            await jobs.create(LetterFilter(ids=[f"0-{number}"]), REPLAY, an_entry(REPLAY), 1) for number in range(3)
        ]
        ids = [job.id for job in made]
        assert [job.id for job in await jobs.newest(2)] == [ids[2], ids[1]]
        assert [job.id for job in await jobs.newest(10, before=ids[1])] == [ids[0]]
        assert await jobs.newest(10, before=uuid4()) == []
        assert await jobs.get(uuid4()) is None
        found = await jobs.get(ids[1])
        assert found is not None
        assert found.job.id == ids[1]
        assert [(group.fingerprint, dict(group.counts)) for group in found.groups] == [("f", {ItemState.WAITING: 1})]


class ControlContract(ReplayJobsContract):
    """People pause, resume and cancel jobs."""

    async def test_paused_job_takes_no_letters_until_it_is_resumed(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Its worker keeps it."""
        worker = uuid4()
        job = await claimed(tables, worker, 3, replace(REPLAY, canary=2))
        paused = await jobs.control(job.id, JobCommand.PAUSE, CONTROL)
        assert paused is not None
        assert paused.state is JobState.PAUSED
        assert await jobs.next_items(job.id, worker, 10) == []
        assert (await jobs.renew(job.id, worker)).state is JobState.PAUSED
        resumed = await jobs.control(job.id, JobCommand.RESUME, CONTROL)
        assert resumed is not None
        assert (resumed.state, resumed.order) == (JobState.RUNNING, replace(REPLAY, canary=0))
        assert len(await jobs.next_items(job.id, worker, 10)) == 3
        entries = await tables.audit_log.page(None, 2)
        assert [entry[2:4] for entry in entries] == [("cli:ann@host", "pause job")] * 2

    async def test_cancel_revives_letters_that_were_not_taken(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """Of those that were taken nobody knows yet what became of them."""
        worker = uuid4()
        job = await claimed(tables, worker, 4)
        await sent(tables, job, worker, 1)
        await jobs.next_items(job.id, worker, 1)
        cancelled = await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        assert cancelled is not None
        assert (cancelled.state, cancelled.ended_at) == (JobState.CANCELLED, None)
        assert await counts(tables, job) == {ItemState.CANCELLED: 2, ItemState.SENDING: 1, ItemState.REPLAYED: 1}
        assert await states(tables) == {
            "0-0": LetterState.REPLAYED,
            "0-1": LetterState.REPLAYING,
            "0-2": LetterState.DEAD,
            "0-3": LetterState.DEAD,
        }
        assert await sent(tables, job, worker) == ["0-1"]
        await jobs.stored(job.id, worker, ["0-0", "0-1"])
        assert await jobs.finish(job.id, worker)
        found = await jobs.get(job.id)
        assert found is not None
        assert found.job.state is JobState.CANCELLED
        assert found.job.ended_at is not None

    async def test_cancelled_job_that_published_nothing_has_ended(
        self, tables: JobsUnderTest, jobs: ReplayJobs
    ) -> None:
        """Its letters may be in another job."""
        job = await created(tables, 3)
        cancelled = await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        assert cancelled is not None
        assert cancelled.ended_at is not None
        assert (await tables.audit_log.page(None, 1))[0].counts == {"letters": 3}
        assert (await jobs.create(ALL, REPLAY, an_entry(REPLAY), 3)).letters == 3

    @pytest.mark.parametrize(
        ("before", "impossible"),
        [
            ([], {JobCommand.RESUME}),
            ([JobCommand.PAUSE], {JobCommand.PAUSE}),
            ([JobCommand.CANCEL], {JobCommand.PAUSE, JobCommand.RESUME, JobCommand.CANCEL}),
        ],
    )
    async def test_command_that_does_not_fit_changes_nothing(
        self, tables: JobsUnderTest, jobs: ReplayJobs, before: Sequence[JobCommand], impossible: set[JobCommand]
    ) -> None:
        """Not even the audit log."""
        job = await created(tables, 1)
        for command in before:
            await jobs.control(job.id, command, CONTROL)
        stands, entries = await jobs.get(job.id), await tables.audit_log.page(None, 10)
        for command in impossible:
            with pytest.raises(NotPossible, match="cannot be"):
                await jobs.control(job.id, command, CONTROL)
        assert (await jobs.get(job.id), await tables.audit_log.page(None, 10)) == (stands, entries)

    async def test_unknown_job_cannot_be_controlled(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """The audit log has nothing to say of it."""
        assert await jobs.control(uuid4(), JobCommand.CANCEL, CONTROL) is None
        assert await tables.audit_log.page(None, 10) == []

    async def test_finished_job_cannot_be_controlled(self, jobs: ReplayJobs) -> None:
        """Whatever the command."""
        job = await jobs.create(ALL, REPLAY, an_entry(REPLAY), None)
        for command in JobCommand:
            with pytest.raises(NotPossible):
                await jobs.control(job.id, command, CONTROL)

    async def test_cancel_while_letters_are_taken_splits_them(self, tables: JobsUnderTest) -> None:
        """Each is either taken or cancelled."""
        worker = uuid4()
        job = await claimed(tables, worker, 30)
        taken, *_ = await asyncio.gather(
            tables.jobs().next_items(job.id, worker, 10),
            tables.jobs().control(job.id, JobCommand.CANCEL, CONTROL),
            tables.jobs().renew(job.id, worker),
        )
        expected = {ItemState.SENDING: len(taken), ItemState.CANCELLED: 30 - len(taken)}
        assert await counts(tables, job) == {state: count for state, count in expected.items() if count}
        assert Counter((await states(tables)).values())[LetterState.REPLAYING] == len(taken)

    async def test_cancelled_discard_stops(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """What is discarded stays so."""
        worker = uuid4()
        job = await claimed(tables, worker, 3, DISCARD)
        assert await jobs.change_some(job.id, worker, 1) == 1
        await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        assert await jobs.change_some(job.id, worker, 1) == 0
        assert await counts(tables, job) == {ItemState.CHANGED: 1, ItemState.CANCELLED: 2}
        assert list((await states(tables)).values()).count(LetterState.DISCARDED) == 1

    async def test_letters_of_a_cancelled_restore_stay_discarded(self, tables: JobsUnderTest, jobs: ReplayJobs) -> None:
        """As though it had never been ordered."""
        await tables.index.note([a_letter(0)])
        await tables.index.change(ALL, DISCARD, an_entry(DISCARD), 1)
        job = await jobs.create(ALL, RESTORE, an_entry(RESTORE), 1)
        await jobs.control(job.id, JobCommand.CANCEL, CONTROL)
        assert await states(tables) == {"0-0": LetterState.DISCARDED}
