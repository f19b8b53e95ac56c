"""The contract of `EventSource`: what members of a group share."""

import asyncio
from collections import defaultdict
from collections.abc import Collection

import pytest

from application.ports import EventSource, StaleGeneration
from tests.contracts.harness import (
    ALL,
    PARTITIONS,
    LogContract,
    LogUnderTest,
    append_events,
    collect,
    ends,
    flat,
    places,
    read,
    share,
)
from tests.support.events import an_event
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE


class GroupContract(LogContract):
    """Subclasses override the fixture `log`."""

    async def test_two_members_share_the_partitions_evenly(self, log: LogUnderTest) -> None:
        """Each record goes to one of them."""
        first, second = await log.join(), await log.join()
        held = await share(first, second)
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(5)))
        for source, own in zip((first, second), held, strict=True):
            assert sorted(places(await read(source, 10))) == [
                (each, offset) for each in sorted(own) for offset in range(5)
            ]

    async def test_partition_of_another_member_cannot_be_committed(self, log: LogUnderTest) -> None:
        """The newcomer reads its records again, and the old member can move no position of them any more."""
        first = await log.join()
        for partition in ALL:
            await append_events(log, partition, an_event())
        offsets = ends(*await collect(first, PARTITIONS))
        second = await log.join()
        _, taken = await share(first, second)
        for partition in taken:
            with pytest.raises(StaleGeneration):
                await first.commit({partition: 1})
        with pytest.raises(StaleGeneration):
            await first.commit(offsets)
        committed = await log.committed()
        assert all(committed.get(partition, 0) == 0 for partition in taken)
        assert {partition for partition, _ in places(await read(second, len(taken)))} == taken

    async def test_partition_that_comes_back_is_assigned_anew(self, log: LogUnderTest) -> None:
        """From the group's position: what was delivered before and is not committed is delivered again."""
        witness = Witness()
        first = await log.join(witness)
        for partition in ALL:
            await append_events(log, partition, an_event(), an_event())
        await collect(first, 2 * PARTITIONS)
        await first.commit(dict.fromkeys(ALL, 1))
        second = await log.join()
        _, taken = await share(first, second)
        await log.leave(second)
        await share(first)
        again = await read(first, len(taken))
        assert {(partition, 1) for partition in taken} <= set(places(again))
        assert {offset for _, offset in places(again)} == {1}
        for partition in taken:
            assert [positions[partition] for positions in witness.assigned if partition in positions][-1] == 1
        given_up = set().union(*witness.revoked, *witness.lost)
        assert taken <= given_up

    async def test_member_that_leaves_hands_over(self, log: LogUnderTest) -> None:
        """The other goes on at once from what was committed, and reads nothing twice."""
        first, second = await log.join(), await log.join()
        await share(first, second)
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(5)))
        for source in (first, second):
            await source.commit(ends(*await collect(source, 10)))
        await log.leave(first)
        await share(second)
        for partition in ALL:
            await append_events(log, partition, an_event())
        assert sorted(places(await read(second, PARTITIONS))) == [(partition, 5) for partition in ALL]

    async def test_what_is_in_flight_can_be_committed_while_a_member_leaves(self, log: LogUnderTest) -> None:
        """Its listener finishes before anybody takes over."""
        witness = Witness(lambda partitions: leaving.commit(dict.fromkeys(partitions, 2)))
        leaving = await log.join(witness)
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(3)))
        await collect(leaving, 3 * PARTITIONS)
        await log.leave(leaving)
        assert witness.lost == []
        assert sorted(places(await read(await log.join(), PARTITIONS))) == [(partition, 2) for partition in ALL]

    async def test_lost_member_is_replaced_and_fenced(self, log: LogUnderTest) -> None:
        """Another reads on from what was committed; should the lost one come back, its commits are refused.

        Its listener learns of it then.
        """
        witness = Witness()
        lost = await log.join(witness)
        await append_events(log, 0, *(an_event() for _ in range(6)))
        committed, uncommitted = await collect(lost, 6, limit=3)
        await lost.commit(ends(committed))
        await log.crash(lost)
        successor = await log.join()
        assert places(await read(successor, 3)) == [(0, 3), (0, 4), (0, 5)]
        with pytest.raises(StaleGeneration):
            await lost.commit(ends(uncommitted))
        assert (await log.committed())[0] == 3
        async with asyncio.timeout(PATIENCE):
            while not witness.lost:
                await lost.poll(1, 0.01, paused=ALL)
        assert 0 in set().union(*witness.lost)
        assert witness.revoked == []

    async def test_members_come_and_go_while_records_flow_and_nothing_is_skipped(self, log: LogUnderTest) -> None:
        """Every record is delivered, no position ever passes one that was not, and all end committed to the end."""
        flow = Flow(log)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            members = [flow.start(tasks), flow.start(tasks)]
            for step in range(1, 5):
                for partition in ALL:
                    await flow.append(partition, 20)
                members.append(flow.start(tasks))
                await flow.reached(step * 20 * PARTITIONS - 40)
                members.pop(0).set()
            await flow.finished()
            for stop in members:
                stop.set()
        assert await log.committed() == dict.fromkeys(ALL, 80)


class RevocationContract(LogContract):
    """For logs whose groups wait for a member that has to release partitions. Subclasses override the fixture `log`."""

    async def test_what_is_in_flight_can_be_committed_while_partitions_are_revoked(self, log: LogUnderTest) -> None:
        """Nothing more of them is delivered meanwhile; then the other reads on from there, and nothing twice."""
        revoking: set[int] = set()
        polled = asyncio.Event()

        async def finish(partitions: Collection[int]) -> None:
            revoking.update(partitions)
            for partition in partitions:
                await append_events(log, partition, an_event())
            async with asyncio.timeout(PATIENCE):
                for _ in range(2):
                    polled.clear()
                    await polled.wait()
            await first.commit(dict.fromkeys(partitions, 3))
            revoking.difference_update(partitions)

        witness, successor = Witness(finish), Witness()
        first = await log.join(witness)
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(6)))
        await collect(first, 6 * PARTITIONS)
        second = await log.join(successor)
        async with asyncio.timeout(PATIENCE):
            while sum(map(len, successor.assigned)) < PARTITIONS // 2:
                delivered = await first.poll(100, 0.01)
                assert not delivered.keys() & revoking
                polled.set()
                await second.poll(1, 0.01, paused=ALL)
        taken = set().union(*successor.assigned)
        # In the end it leaves, when nobody polls.
        witness.finish = None
        assert taken <= set().union(*witness.revoked)
        assert witness.lost == []
        assert sorted(places(await read(second, 4 * len(taken)))) == [
            (partition, offset) for partition in sorted(taken) for offset in range(3, 7)
        ]
        assert not await second.poll(10, 0.05)


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
        polled = await source.poll(7, 0.05)
        for record in flat(polled):
            self._delivered[record.partition].add(record.offset)
        try:
            if polled:
                await source.commit(ends(polled))
        except StaleGeneration:
            return
        for partition, position in (await self._log.committed()).items():
            assert set(range(position)) <= self._delivered[partition]
        async with self._progress:
            self._progress.notify_all()
