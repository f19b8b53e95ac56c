"""The contract of `EventSource`: what one member reads."""

import asyncio

import pytest

from adapters import wire
from application.ports import Batch, EventSource
from domain.errors import Unavailable
from tests.contracts.harness import PARTITIONS, LogUnderTest, append_events, collect, places, read, share
from tests.support.custodians import Witness
from tests.support.events import an_event
from tests.support.waiting import PATIENCE


class SourceContract:
    """Subclasses override the fixture `log`."""

    @pytest.fixture
    def log(self) -> LogUnderTest:
        raise NotImplementedError

    @pytest.fixture
    async def source(self, log: LogUnderTest) -> EventSource:
        return await log.join()

    async def test_each_partition_is_delivered_in_order(self, log: LogUnderTest, source: EventSource) -> None:
        """Whatever the order between partitions, offsets rise within each, and every event is whole."""
        events = [an_event(f"user-{number}") for number in range(40)]
        for partition in range(PARTITIONS):
            await append_events(log, partition, *events[partition * 10 : partition * 10 + 10])
        records = await read(source, 40)
        for partition in range(PARTITIONS):
            own = [record for record in records if record.partition == partition]
            assert [record.offset for record in own] == list(range(10))
            assert [wire.decode(record) for record in own] == events[partition * 10 : partition * 10 + 10]

    async def test_record_is_delivered_as_it_stands(self, log: LogUnderTest, source: EventSource) -> None:
        """Key, value, headers, time and place are those of the log."""
        await (await log.publisher()).publish([an_event("Jörg")])
        ((record,), (stands,)) = await read(source, 1), await log.records()
        for name in ("topic", "partition", "offset", "timestamp", "key", "value"):
            assert getattr(record, name) == getattr(stands, name)
        assert list(record.headers) == list(stands.headers)

    async def test_bytes_that_are_no_event_are_delivered_untouched(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """What they mean is for others to say."""
        values: list[bytes | None] = [None, b"", b"\xff\xfe", b"{", b"[1]", b"{}"]
        await log.append(0, values)
        assert [record.value for record in await read(source, len(values))] == values

    async def test_custodian_takes_over_before_anything_is_delivered(self, log: LogUnderTest) -> None:
        """With the group's positions; whoever leaves in order gives the same partitions up."""
        for partition in range(PARTITIONS):
            await append_events(log, partition, *(an_event() for _ in range(4)))
        first = await log.join()
        for batch in await collect(first, 4 * PARTITIONS, limit=3):
            if (0, 0) in places(batch.records):
                await first.commit(batch.part({0}))
        await log.leave(first)
        committed = (await log.committed())[0]
        custodian = Witness()
        heir = await log.join(custodian)
        await read(heir, 1)
        begun = {partition: start for positions in custodian.begun for partition, start in positions.items()}
        assert begun == {0: committed, 1: 0, 2: 0, 3: 0}
        assert custodian.ended == []
        await log.leave(heir)
        assert set().union(*custodian.ended) == set(range(PARTITIONS))

    async def test_nothing_is_delivered_until_the_custodian_has_taken_over(self, log: LogUnderTest) -> None:
        """What troubles it is told by every poll, and costs nothing but time."""
        await append_events(log, 0, an_event())
        custodian = Witness()
        custodian.error = Unavailable("database: down")
        source = await log.join(custodian)
        for _ in range(5):
            with pytest.raises(Unavailable, match="database: down"):
                await collect(source, 1)
        custodian.error = None
        assert places(await read(source, 1)) == [(0, 0)]

    async def test_beginning_of_a_batch_can_be_committed_and_its_end_given_back(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """The end is delivered again, and the group's position is between the two."""
        await append_events(log, 0, *(an_event() for _ in range(6)))
        (batch,) = await collect(source, 6)
        source.rewind(Batch(batch.records[4:], batch.assignment))
        await source.commit(Batch(batch.records[:4], batch.assignment))
        assert (await log.committed())[0] == 4
        assert places(await read(source, 2)) == [(0, 4), (0, 5)]

    async def test_poll_returns_at_most_the_limit_and_repeats_nothing(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """The next batch can be fetched while one is being stored, uncommitted."""
        for partition in range(PARTITIONS):
            await append_events(log, partition, *(an_event() for _ in range(10)))
        batches = await collect(source, 40, limit=7)
        assert max(len(batch.records) for batch in batches) <= 7
        seen = [place for batch in batches for place in places(batch.records)]
        assert sorted(seen) == [(partition, offset) for partition in range(PARTITIONS) for offset in range(10)]
        assert not (await source.poll(100, 0.05)).records

    async def test_poll_ends_empty_when_nothing_comes(self, source: EventSource) -> None:
        """And does not take much longer than it was told to wait."""
        await share(source)
        async with asyncio.timeout(PATIENCE / 3):
            assert not (await source.poll(10, 0.05)).records

    async def test_waiting_poll_wakes_for_a_new_record(self, log: LogUnderTest, source: EventSource) -> None:
        """A record that comes while a poll waits ends that poll."""
        await share(source)
        waiting = asyncio.create_task(source.poll(10, 10 * PATIENCE))
        await append_events(log, 1, an_event())
        async with asyncio.timeout(PATIENCE):
            assert places((await waiting).records) == [(1, 0)]

    async def test_rewound_batch_is_delivered_again_from_its_first_record(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """With everything that was read after it, still in order."""
        for partition in (0, 1):
            await append_events(log, partition, *(an_event() for _ in range(6)))
        first, *_ = await collect(source, 12, limit=4)
        assert set(source.rewind(first)) == first.partitions
        again = places(await read(source, len(first.records)))
        for partition in first.partitions:
            offsets = [offset for place, offset in again if place == partition]
            start = min(offset for place, offset in places(first.records) if place == partition)
            assert offsets == list(range(start, 6))

    async def test_batch_that_is_rewound_after_an_earlier_one_moves_nothing_forward(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """Both are delivered again, whichever is given back first."""
        await append_events(log, 0, *(an_event() for _ in range(6)))
        first, second = await collect(source, 6, limit=3)
        for earlier, later in ((first, second), (second, first)):
            assert set(source.rewind(earlier)) == {0}
            assert set(source.rewind(later)) == {0}
            first, second = await collect(source, 6, limit=3)
            assert [offset for _, offset in places([*first.records, *second.records])] == list(range(6))

    async def test_batch_that_is_rewound_after_its_commit_moves_nothing(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """What was read behind it is in hand already, and would come twice."""
        await append_events(log, 0, *(an_event() for _ in range(6)))
        first, second = await collect(source, 6, limit=3)
        await source.commit(first)
        assert not source.rewind(first)
        assert not (await source.poll(10, 0.05)).records
        assert set(source.rewind(second)) == {0}
        assert places(await read(source, 3)) == [(0, 3), (0, 4), (0, 5)]

    async def test_new_member_starts_at_the_committed_place(self, log: LogUnderTest, source: EventSource) -> None:
        """What was committed is not read again; what was read but not committed is."""
        await append_events(log, 2, *(an_event() for _ in range(10)))
        (batch,) = await collect(source, 4, limit=4)
        await source.commit(batch)
        assert places(await read(source, 6))[-1] == (2, 9)
        await log.leave(source)
        assert places(await read(await log.join(), 6)) == [(2, offset) for offset in range(4, 10)]
        assert (await log.committed())[2] == 4

    async def test_batch_commits_every_partition_it_touches(self, log: LogUnderTest, source: EventSource) -> None:
        """Each partition's position is one past its last record in the batch."""
        for partition in range(PARTITIONS):
            await append_events(log, partition, *(an_event() for _ in range(partition + 1)))
        for batch in await collect(source, 10):
            await source.commit(batch)
        assert await log.committed() == {0: 1, 1: 2, 2: 3, 3: 4}

    async def test_part_of_a_batch_is_committed_and_given_back_by_itself(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """The partitions of the rest stay as they are, neither committed nor read again."""
        await share(source)
        for partition in range(PARTITIONS):
            await append_events(log, partition, an_event(), an_event())
        for batch in await collect(source, 2 * PARTITIONS):
            if 0 in batch.partitions:
                assert source.owns(batch.part({0}))
                await source.commit(batch.part({0}))
            source.rewind(batch.part({1}))
        assert {at: position for at, position in (await log.committed()).items() if position} == {0: 2}
        assert places(await read(source, 2)) == [(1, 0), (1, 1)]

    async def test_lag_counts_what_is_not_committed(self, log: LogUnderTest, source: EventSource) -> None:
        """Being read is not enough, and records that nobody polled for count as well."""
        await append_events(log, 0, *(an_event() for _ in range(10)))
        await share(source)
        assert await source.lag() == {0: 10, 1: 0, 2: 0, 3: 0}
        (batch,) = await collect(source, 4, limit=4)
        assert (await source.lag())[0] == 10
        await source.commit(batch)
        assert (await source.lag())[0] == 6

    async def test_paused_partition_delivers_nothing_until_resumed(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """The others go on, and nothing of the paused one is lost."""
        await share(source)
        source.pause([0])
        for partition in (0, 1):
            await append_events(log, partition, *(an_event() for _ in range(3)))
        assert places(await read(source, 3)) == [(1, 0), (1, 1), (1, 2)]
        assert not (await source.poll(10, 0.05)).records
        source.resume([0])
        assert places(await read(source, 3)) == [(0, 0), (0, 1), (0, 2)]

    async def test_ping_returns_once_the_member_takes_part(self, source: EventSource) -> None:
        """A member that reads is ready."""
        await share(source)
        await source.ping()
