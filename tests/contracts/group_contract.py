"""The contract of `EventSource`: what members of a group share."""

import asyncio
from collections import defaultdict
from typing import ClassVar

import pytest

from application.ports import EventSource, Superseded
from tests.contracts.harness import PARTITIONS, LogUnderTest, append_events, collect, places, read, share
from tests.support.events import an_event
from tests.support.waiting import PATIENCE


class GroupContract:
    """Subclasses override the fixture `log` and, where a member cannot be lost, the flag."""

    can_crash: ClassVar[bool] = True

    @pytest.fixture
    def log(self) -> LogUnderTest:
        raise NotImplementedError

    async def test_two_members_share_the_partitions_evenly(self, log: LogUnderTest) -> None:
        """Each record goes to one of them."""
        first, second = await log.join(), await log.join()
        held = await share(first, second)
        for partition in range(PARTITIONS):
            await append_events(log, partition, *(an_event() for _ in range(5)))
        for source, own in zip((first, second), held, strict=True):
            assert sorted(places(await read(source, 10))) == [
                (each, offset) for each in sorted(own) for offset in range(5)
            ]

    async def test_batch_of_a_lost_partition_cannot_be_committed(self, log: LogUnderTest) -> None:
        """The newcomer reads its records again, and the old batch can move no position any more."""
        first = await log.join()
        for partition in range(PARTITIONS):
            await append_events(log, partition, an_event())
        batches = await collect(first, PARTITIONS)
        second = await log.join()
        _, taken = await share(first, second)
        lost = [batch for batch in batches if batch.partitions & taken]
        assert not any(first.owns(batch) for batch in lost)
        for batch in lost:
            with pytest.raises(Superseded):
                await first.commit(batch)
        committed = await log.committed()
        assert all(committed.get(partition, 0) == 0 for partition in taken)
        assert {partition for partition, _ in places(await read(second, len(taken)))} == taken

    async def test_rewinding_a_batch_of_a_lost_partition_changes_nothing(self, log: LogUnderTest) -> None:
        """The old member does not start to deliver what is no longer its own."""
        first = await log.join()
        for partition in range(PARTITIONS):
            await append_events(log, partition, an_event())
        batches = await collect(first, PARTITIONS)
        second = await log.join()
        kept, _ = await share(first, second)
        for batch in batches:
            assert set(first.rewind(batch)) <= kept
        assert {partition for partition, _ in places(await read(first, len(kept)))} == kept

    async def test_member_that_leaves_hands_over(self, log: LogUnderTest) -> None:
        """The other goes on at once from what was committed, and reads nothing twice."""
        first, second = await log.join(), await log.join()
        await share(first, second)
        for partition in range(PARTITIONS):
            await append_events(log, partition, *(an_event() for _ in range(5)))
        for batch in await collect(first, 10):
            await first.commit(batch)
        left = await collect(second, 10)
        for batch in left:
            await second.commit(batch)
        await log.leave(first)
        await share(second)
        for partition in range(PARTITIONS):
            await append_events(log, partition, an_event())
        assert sorted(places(await read(second, PARTITIONS))) == [(partition, 5) for partition in range(PARTITIONS)]

    async def test_lost_member_is_replaced_and_fenced(self, log: LogUnderTest) -> None:
        """Another reads on from what was committed; should the lost one come back, its commits are refused."""
        if not self.can_crash:
            pytest.skip("a member of this log cannot be lost")
        lost = await log.join()
        await append_events(log, 0, *(an_event() for _ in range(6)))
        committed, uncommitted = await collect(lost, 6, limit=3)
        await lost.commit(committed)
        await log.crash(lost)
        heir = await log.join()
        assert places(await read(heir, 3)) == [(0, 3), (0, 4), (0, 5)]
        with pytest.raises(Superseded):
            await lost.commit(uncommitted)
        assert (await log.committed())[0] == 3

    async def test_pause_outlasts_a_reassignment(self, log: LogUnderTest) -> None:
        """A partition that goes away and comes back is still paused, and its records still come in the end."""
        first = await log.join()
        await share(first)
        first.pause(range(PARTITIONS))
        for partition in range(PARTITIONS):
            await append_events(log, partition, an_event())
        second = await log.join()
        await share(first, second)
        await log.leave(second)
        await share(first)
        assert not (await first.poll(10, 0.05)).records
        first.resume(range(PARTITIONS))
        assert sorted(places(await read(first, PARTITIONS))) == [(partition, 0) for partition in range(PARTITIONS)]

    async def test_members_come_and_go_while_records_flow_and_nothing_is_skipped(self, log: LogUnderTest) -> None:
        """Every record is delivered, no position ever passes one that was not, and all end committed to the end."""
        flow = Flow(log)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            members = [flow.start(tasks), flow.start(tasks)]
            for step in range(1, 5):
                for partition in range(PARTITIONS):
                    await flow.append(partition, 20)
                members.append(flow.start(tasks))
                await flow.reached(step * 20 * PARTITIONS - 40)
                members.pop(0).set()
            await flow.finished()
            for stop in members:
                stop.set()
        assert await log.committed() == dict.fromkeys(range(PARTITIONS), 80)


class Flow:
    """Members of one group that commit whatever they are delivered, and check each other's commits."""

    def __init__(self, log: LogUnderTest) -> None:
        self._log = log
        self._delivered: dict[int, set[int]] = defaultdict(set)
        self._ends: dict[int, int] = defaultdict(int)
        self._progress = asyncio.Condition()

    def start(self, tasks: asyncio.TaskGroup) -> asyncio.Event:
        """Start a member; it leaves in order once the event is set."""
        stop = asyncio.Event()
        tasks.create_task(self._work(stop))
        return stop

    async def append(self, partition: int, count: int) -> None:
        """Append `count` events to a partition."""
        self._ends[partition] += count
        await append_events(self._log, partition, *(an_event() for _ in range(count)))

    async def reached(self, count: int) -> None:
        """Wait until `count` records were delivered."""
        async with self._progress:
            await self._progress.wait_for(lambda: sum(map(len, self._delivered.values())) >= count)

    async def finished(self) -> None:
        """Wait until all positions are at the end."""
        async with self._progress:
            while await self._log.committed() != self._ends:
                await self._progress.wait()

    async def _work(self, stop: asyncio.Event) -> None:
        source = await self._log.join()
        while not stop.is_set():
            await self._step(source)
        await self._log.leave(source)

    async def _step(self, source: EventSource) -> None:
        batch = await source.poll(7, 0.05)
        for record in batch.records:
            self._delivered[record.partition].add(record.offset)
        try:
            await source.commit(batch)
        except Superseded:
            return
        for partition, position in (await self._log.committed()).items():
            assert set(range(position)) <= self._delivered[partition]
        async with self._progress:
            self._progress.notify_all()
