"""The contract of `EventSource`: what one member reads."""

import asyncio

import pytest

from application.ports import EventSource
from domain.dead_letter import Record
from domain.errors import Unavailable
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
    size,
)
from tests.support.events import an_event, decode
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE


class SourceContract(LogContract):
    """Subclasses override the fixture `log`."""

    @pytest.fixture
    async def source(self, log: LogUnderTest) -> EventSource:
        return await log.join()

    async def test_each_partition_is_delivered_in_order(self, log: LogUnderTest, source: EventSource) -> None:
        """Whatever the order between partitions, offsets rise within each, and every event is whole."""
        events = [an_event(f"user-{number}") for number in range(40)]
        for partition in ALL:
            await append_events(log, partition, *events[partition * 10 : partition * 10 + 10])
        records = await read(source, 40)
        for partition in ALL:
            own = [record for record in records if record.partition == partition]
            assert [record.offset for record in own] == list(range(10))
            assert [decode(record) for record in own] == events[partition * 10 : partition * 10 + 10]

    async def test_records_are_delivered_by_partition(self, log: LogUnderTest, source: EventSource) -> None:
        """Each under the number of its own, and no partition without a record."""
        for partition in ALL:
            await append_events(log, partition, an_event(), an_event())
        for polled in await collect(source, 2 * PARTITIONS):
            assert all(polled.values())
            assert {partition: {record.partition for record in polled[partition]} for partition in polled} == {
                partition: {partition} for partition in polled
            }

    async def test_record_is_delivered_verbatim(self, log: LogUnderTest, source: EventSource) -> None:
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

    async def test_listener_takes_over_before_anything_is_delivered(self, log: LogUnderTest) -> None:
        """With the group's positions; a member that leaves in order releases the same partitions."""
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(4)))
        first = await log.join()
        await collect(first, 4 * PARTITIONS)
        await first.commit({0: 3})
        await log.leave(first)
        witness, delivered = Witness(), 0
        successor = await log.join(witness)
        async with asyncio.timeout(PATIENCE):
            while delivered < 4 * PARTITIONS - 3:
                polled = await successor.poll(3, 1.0)
                assert polled.keys() <= set().union(*witness.assigned)
                delivered += size(polled)
        assigned = {partition: start for positions in witness.assigned for partition, start in positions.items()}
        assert assigned == {0: 3, 1: 0, 2: 0, 3: 0}
        assert (witness.revoked, witness.lost) == ([], [])
        await log.leave(successor)
        assert set().union(*witness.revoked) == set(ALL)
        assert witness.lost == []

    async def test_nothing_is_delivered_until_the_listener_has_taken_over(self, log: LogUnderTest) -> None:
        """What troubles it is raised by every poll, which asks it again, and costs nothing but time."""
        await append_events(log, 0, an_event())
        witness = Witness()
        witness.error = Unavailable("database: down")
        source = await log.join(witness)
        for _ in range(5):
            with pytest.raises(Unavailable, match="database: down"):
                await collect(source, 1)
        witness.error = None
        assert places(await read(source, 1)) == [(0, 0)]
        await share(source)
        assert sorted(partition for positions in witness.assigned for partition in positions) == list(ALL)
        assert (witness.revoked, witness.lost) == ([], [])

    async def test_what_the_listener_has_taken_over_is_given_up_with_the_membership(self, log: LogUnderTest) -> None:
        """And nothing that it has not taken over."""
        witness = Witness()
        witness.error = Unavailable("database: down")
        source = await log.join(witness)
        with pytest.raises(Unavailable, match="database: down"):
            await collect(source, 1)
        await log.leave(source)
        assert (witness.revoked, witness.lost) == ([], [])

    async def test_offset_amid_what_was_delivered_can_be_committed(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """Nothing behind it is delivered again, except to the next owner."""
        await append_events(log, 0, *(an_event() for _ in range(6)))
        await collect(source, 6)
        await source.commit({0: 4})
        assert (await log.committed())[0] == 4
        assert not await source.poll(10, 0.05)
        await log.leave(source)
        assert places(await read(await log.join(), 2)) == [(0, 4), (0, 5)]

    async def test_poll_returns_at_most_the_limit_and_repeats_nothing(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """The next batch can be fetched while one is being stored, uncommitted."""
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(10)))
        polls = await collect(source, 40, limit=7)
        assert max(map(size, polls)) <= 7
        seen = [place for polled in polls for place in places(flat(polled))]
        assert sorted(seen) == [(partition, offset) for partition in ALL for offset in range(10)]
        assert not await source.poll(100, 0.05)

    async def test_poll_ends_empty_when_nothing_comes(self, source: EventSource) -> None:
        """And does not take much longer than `wait`."""
        await share(source)
        async with asyncio.timeout(PATIENCE / 3):
            assert not await source.poll(10, 0.05)

    async def test_waiting_poll_wakes_for_a_new_record(self, log: LogUnderTest, source: EventSource) -> None:
        """A record that comes while a poll waits ends that poll."""
        await share(source)
        waiting = asyncio.create_task(source.poll(10, 10 * PATIENCE))
        await append_events(log, 1, an_event())
        async with asyncio.timeout(PATIENCE):
            assert places(flat(await waiting)) == [(1, 0)]

    async def test_new_member_starts_at_the_committed_place(self, log: LogUnderTest, source: EventSource) -> None:
        """What was committed is not read again; what was read but not committed is."""
        await append_events(log, 2, *(an_event() for _ in range(10)))
        (polled,) = await collect(source, 4, limit=4)
        await source.commit(ends(polled))
        assert places(await read(source, 6))[-1] == (2, 9)
        await log.leave(source)
        assert places(await read(await log.join(), 6)) == [(2, offset) for offset in range(4, 10)]
        assert (await log.committed())[2] == 4

    async def test_offsets_of_many_partitions_are_committed_at_once(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """Each partition's own."""
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(partition + 1)))
        await source.commit(ends(*await collect(source, 10)))
        assert await log.committed() == {0: 1, 1: 2, 2: 3, 3: 4}

    async def test_partition_is_committed_by_itself(self, log: LogUnderTest, source: EventSource) -> None:
        """The others stay as they are, neither committed nor read again."""
        await share(source)
        for partition in ALL:
            await append_events(log, partition, an_event(), an_event())
        await collect(source, 2 * PARTITIONS)
        await source.commit({0: 2})
        assert {at: position for at, position in (await log.committed()).items() if position} == {0: 2}
        assert not await source.poll(10, 0.05)

    async def test_lag_counts_what_is_not_committed(self, log: LogUnderTest, source: EventSource) -> None:
        """Being read is not enough, and records that nobody polled for count as well."""
        await append_events(log, 0, *(an_event() for _ in range(10)))
        await share(source)
        assert await source.lag() == {0: 10, 1: 0, 2: 0, 3: 0}
        (polled,) = await collect(source, 4, limit=4)
        assert (await source.lag())[0] == 10
        await source.commit(ends(polled))
        assert (await source.lag())[0] == 6

    async def test_paused_partition_delivers_nothing(self, log: LogUnderTest, source: EventSource) -> None:
        """The others go on, and nothing of the paused one is lost."""
        await share(source)
        for partition in (0, 1):
            await append_events(log, partition, *(an_event() for _ in range(3)))
        assert places(await read(source, 3, paused=[0])) == [(1, 0), (1, 1), (1, 2)]
        assert not await source.poll(10, 0.05, paused=[0])
        assert places(await read(source, 3)) == [(0, 0), (0, 1), (0, 2)]

    async def test_partitions_that_are_paused_now_and_then_lose_nothing(
        self, log: LogUnderTest, source: EventSource
    ) -> None:
        """Nor is anything delivered twice, or out of order, although it was there when the pause began."""
        for partition in ALL:
            await append_events(log, partition, *(an_event() for _ in range(60)))
        records: list[Record] = []
        turn = 0
        async with asyncio.timeout(PATIENCE):
            while len(records) < 60 * PARTITIONS:
                # Any combination in turn, none and all included.
                paused = {partition for partition in ALL if turn >> partition & 1}
                polled = await source.poll(7, 0.05, paused=paused)
                assert not polled.keys() & paused
                records += flat(polled)
                turn += 1
        for partition in ALL:
            assert [offset for at, offset in places(records) if at == partition] == list(range(60))

    async def test_member_whose_partitions_are_all_paused_stays_in_the_group(self, log: LogUnderTest) -> None:
        """It keeps them, and reads on afterwards."""
        witness = Witness()
        source = await log.join(witness)
        await share(source)
        for partition in ALL:
            await append_events(log, partition, an_event())
        for _ in range(30):
            assert not await source.poll(10, 0.05, paused=ALL)
        await source.ping()
        assert (witness.revoked, witness.lost) == ([], [])
        assert sorted(places(await read(source, PARTITIONS))) == [(partition, 0) for partition in ALL]

    async def test_ping_returns_once_the_member_takes_part(self, source: EventSource) -> None:
        """A member that reads is ready."""
        await share(source)
        await source.ping()
