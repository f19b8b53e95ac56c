"""Offsets are committed together, again after a failure, and never backwards."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.memory import MemoryLog, MemorySource
from application.consume.offset_committer import OffsetCommitter
from application.consume.pace import Backoff
from application.ports import StaleGeneration
from domain.errors import Unavailable, WrongDeployment
from tests.support.consumer_world import settled, until

DOWN = Unavailable("kafka: no coordinator")


class GatedSource(MemorySource):
    """Remembers what it was asked to commit; each commit waits for its end."""

    def __init__(self) -> None:
        super().__init__(MemoryLog(), "events", "group")
        self.asked: list[dict[int, int]] = []
        self.positions: dict[int, int] = {}
        self.error: Exception | None = None
        """What commits end with."""
        self.gate = asyncio.Event()
        """Commits do not end while it is cleared."""
        self.gate.set()

    async def commit(self, offsets: Mapping[int, int]) -> None:
        self.asked.append(dict(offsets))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        assert all(offset > self.positions.get(partition, 0) for partition, offset in offsets.items())
        self.positions |= offsets


class Committing:
    """A committer at work."""

    def __init__(self) -> None:
        self.source = GatedSource()
        self.committer = OffsetCommitter(self.source, Backoff(0.001, 0.002))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Commit meanwhile."""
        task = asyncio.create_task(self.committer.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def committing() -> Committing:
    """Nothing is to be committed yet."""
    return Committing()


async def test_offset_is_committed_and_counted(committing: Committing) -> None:
    """The future ends, and nothing is left."""
    committer = committing.committer
    async with committing.running():
        await committer.commit(0, 10, 7)
        await committer.commit(0, 12, 2)
    assert committing.source.asked == [{0: 10}, {0: 12}]
    assert (committer.committed, committer.uncommitted, list(committer.waiting)) == (9, 0, [])


async def test_offsets_wait_uncommitted_until_the_log_answers(committing: Committing) -> None:
    """They count as uncommitted, and their partitions as waiting."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    async with committing.running():
        futures = [committer.commit(0, 10, 10), committer.commit(1, 5, 3)]
        await settled()
        assert (committer.committed, committer.uncommitted, set(committer.waiting)) == (0, 13, {0, 1})
        assert not any(future.done() for future in futures)
        source.gate.set()
        await asyncio.gather(*futures)
    assert (committer.committed, committer.uncommitted) == (13, 0)


async def test_one_commit_takes_all_partitions_that_wait(committing: Committing) -> None:
    """What becomes durable while one is in flight goes together with the next."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    async with committing.running():
        first = committer.commit(0, 10, 10)
        await settled()
        others = [committer.commit(partition, 10, 10) for partition in (1, 2)]
        await settled()
        assert source.asked == [{0: 10}]
        source.gate.set()
        await first
        await asyncio.gather(*others)
    assert source.asked == [{0: 10}, {1: 10, 2: 10}]


async def test_failed_commit_is_repeated_with_newer_offsets(
    committing: Committing, caplog: pytest.LogCaptureFixture
) -> None:
    """Of other partitions, which became durable meanwhile; the outage is logged once, and so is its end."""
    caplog.set_level(logging.INFO)
    committer, source = committing.committer, committing.source
    source.error = DOWN
    async with committing.running():
        first = committer.commit(0, 10, 10)
        await until(lambda: len(source.asked) >= 3)
        second = committer.commit(1, 4, 4)
        await until(lambda: source.asked[-1] == {0: 10, 1: 4})
        assert committer.trouble == str(DOWN)
        assert (committer.committed, committer.uncommitted) == (0, 14)
        source.error = None
        await asyncio.gather(first, second)
    assert committer.trouble is None
    assert source.positions == {0: 10, 1: 4}
    assert caplog.messages == ["cannot commit offsets", "committing offsets again"]


async def test_idle_committer_asks_nothing_of_the_log(committing: Committing) -> None:
    """Neither before the first offset nor behind the last."""
    async with committing.running():
        await settled()
        await committing.committer.commit(0, 10, 10)
        await settled()
    assert committing.source.asked == [{0: 10}]


async def test_stale_generation_is_no_outage(committing: Committing) -> None:
    """The other partitions are committed once the lost one is forgotten."""
    committer, source = committing.committer, committing.source
    source.error = StaleGeneration()
    async with committing.running():
        lost, kept = committer.commit(0, 10, 10), committer.commit(1, 5, 5)
        await until(lambda: len(source.asked) > 1)
        assert committer.trouble is None
        committer.forget([0])
        source.error = None
        await kept
    assert lost.cancelled()
    assert source.positions == {1: 5}
    assert committer.committed == 5


async def test_forgotten_offsets_are_dropped_and_their_futures_cancelled(committing: Committing) -> None:
    """Those of other partitions stay."""
    committer = committing.committer
    lost, kept = committer.commit(0, 10, 10), committer.commit(1, 5, 5)
    committer.forget([0, 7])
    assert lost.cancelled()
    assert (list(committer.waiting), committer.uncommitted) == ([1], 5)
    async with committing.running():
        await kept
    assert committing.source.asked == [{1: 5}]


async def test_partition_forgotten_during_its_commit_is_done_with(committing: Committing) -> None:
    """The log has taken the offset: its records count as committed, and nobody waits for it."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    async with committing.running():
        lost = committer.commit(0, 10, 10)
        await settled()
        committer.forget([0])
        source.gate.set()
        await settled()
        assert lost.cancelled()
        assert (committer.committed, committer.uncommitted) == (10, 0)
        await committer.commit(1, 5, 5)
    assert source.positions == {0: 10, 1: 5}


async def test_new_claim_is_not_ended_by_an_old_commit(committing: Committing) -> None:
    """A partition that was lost and came back has an offset of its own to commit."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    async with committing.running():
        committer.commit(0, 10, 10)
        await settled()
        committer.forget([0])
        new = committer.commit(0, 12, 2)
        await settled()
        assert not new.done()
        source.gate.set()
        await new
    assert source.asked == [{0: 10}, {0: 12}]


async def test_position_never_goes_back_after_a_failure(committing: Committing) -> None:
    """A repeated commit has the offsets of its own time, none of a claim that is over."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    source.error = DOWN
    async with committing.running():
        committer.commit(0, 10, 10)
        await settled()
        committer.forget([0])
        source.positions[0] = 20
        new = committer.commit(0, 22, 2)
        source.gate.set()
        await settled()
        source.error = None
        await new
    assert source.positions == {0: 22}


async def test_waiter_that_gives_up_harms_no_commit(committing: Committing) -> None:
    """A worker is cancelled while it waits: the offset is committed all the same, and so are the others."""
    committer, source = committing.committer, committing.source
    source.gate.clear()
    async with committing.running():
        waiter = committer.commit(0, 10, 10)
        other = committer.commit(1, 5, 5)
        await settled()
        waiter.cancel()
        source.gate.set()
        async with asyncio.timeout(1):
            await other
            await committer.commit(0, 12, 2)
    assert source.positions == {0: 12, 1: 5}
    assert (committer.committed, committer.uncommitted) == (17, 0)


async def test_settled_waits_for_the_named_partitions_only(committing: Committing) -> None:
    """Until they are committed."""
    committer, source = committing.committer, committing.source
    await committer.settled([0, 1])
    source.gate.clear()
    async with committing.running():
        committer.commit(0, 10, 10)
        await committer.settled([1])
        settling = asyncio.ensure_future(committer.settled([0, 1]))
        await settled()
        assert not settling.done()
        source.gate.set()
        await settling
    assert source.positions == {0: 10}


async def test_settled_ends_where_its_partitions_are_lost(committing: Committing) -> None:
    """Nothing more can be committed of them; and a caller that stops waiting cancels no commit."""
    committer = committing.committer
    lost = committer.commit(0, 10, 10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await committer.settled([0])
    assert not lost.done()
    settling = asyncio.ensure_future(committer.settled([0]))
    await settled()
    committer.forget([0])
    async with asyncio.timeout(1):
        await settling


@pytest.mark.parametrize("is_in_flight", [False, True])
async def test_trouble_ends_with_the_last_offset_that_waits(
    committing: Committing, caplog: pytest.LogCaptureFixture, *, is_in_flight: bool
) -> None:
    """A member that has lost its partitions in an outage waits for nothing, whenever it has lost them."""
    committer, source = committing.committer, committing.source
    source.error = DOWN
    if is_in_flight:
        source.gate.clear()
    async with committing.running():
        committer.commit(0, 10, 10)
        await until(lambda: bool(source.asked if is_in_flight else caplog.messages))
        committer.forget([0])
        source.gate.set()
        await until(lambda: bool(caplog.messages))
        async with asyncio.timeout(1):
            await until(lambda: committer.trouble is None)


async def test_commit_that_ends_by_a_bug_ends_the_run(committing: Committing) -> None:
    """As does what a person has to see to."""
    committing.source.error = WrongDeployment("no topic")
    committing.committer.commit(0, 10, 10)
    with pytest.raises(WrongDeployment):
        await committing.committer.run()


async def test_failures_lengthen_the_pause_and_a_success_ends_it(
    committing: Committing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures are counted anew from each success on."""
    committer, source = committing.committer, committing.source
    failures: list[int] = []

    def pause(_: Backoff, count: int) -> float:
        failures.append(count)
        return 0

    monkeypatch.setattr(Backoff, "after", pause)
    async with committing.running():
        for _ in range(2):
            source.error = DOWN
            waiting = committer.commit(0, source.positions.get(0, 0) + 1, 1)
            await until(lambda: len(failures) >= 3)
            source.error = None
            await waiting
            assert failures[:3] == [1, 2, 3]
            failures.clear()
