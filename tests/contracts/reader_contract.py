"""The contract of `LogReader`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from application.ports import LogReader, Span, Stretch
from domain.dead_letter import Record
from domain.errors import WrongDeployment
from tests.contracts.harness import PARTITIONS, LogContract, LogUnderTest, collect, places
from tests.support.events import an_event, time_of
from tests.support.waiting import PATIENCE

MANY = 12_000
"""More than any reader takes at a time."""
MICROSECOND = timedelta(microseconds=1)


async def all_of(stretches: AsyncGenerator[Stretch, None]) -> list[Stretch]:
    """Read to the end."""
    async with asyncio.timeout(PATIENCE), aclosing(stretches):
        return [stretch async for stretch in stretches]


async def read_into(values: list[bytes | None], stretches: AsyncGenerator[Stretch, None]) -> None:
    """Read as far as it goes, and keep the values that came."""
    async with asyncio.timeout(PATIENCE), aclosing(stretches):
        async for stretch in stretches:
            values += [record.value for record in stretch.records]


def offsets(stretches: Sequence[Stretch]) -> list[int]:
    """Return the offsets of all records."""
    return [record.offset for stretch in stretches for record in stretch.records]


def deleted(stretches: Sequence[Stretch]) -> int:
    """Count what retention took."""
    return sum(stretch.deleted for stretch in stretches)


async def append(log: LogUnderTest, partition: int, count: int) -> None:
    """Append some records, of which no client fetches `MANY` at once."""
    await log.append(partition, [b"%0200d" % number for number in range(count)])


class ReaderContract(LogContract):
    """Subclasses override the fixture `log`."""

    @pytest.fixture
    async def reader(self, log: LogUnderTest) -> LogReader:
        return await log.reader()

    async def test_spans_are_those_of_each_partition(self, log: LogUnderTest, reader: LogReader) -> None:
        """From the first record that retention left to the one behind the last, also where there is none."""
        await append(log, 1, 3)
        await append(log, 2, 5)
        await log.expire(2, before=4)
        assert await reader.spans() == {0: Span(0, 0), 1: Span(0, 3), 2: Span(4, 5), 3: Span(0, 0)}

    async def test_missing_topic_is_a_wrong_deployment(self, log: LogUnderTest) -> None:
        """And is not made by asking for it."""
        reader = await log.reader(topic="nowhere")
        for _ in range(2):
            with pytest.raises(WrongDeployment, match="no topic nowhere"):
                await reader.spans()

    async def test_record_is_read_verbatim(self, log: LogUnderTest, reader: LogReader) -> None:
        """Key, value, headers, time and place are those of the log."""
        publisher = await log.publisher()
        await publisher.publish([an_event("Jörg")], b"00-trace")
        await log.append(0, [None, b"", b"\xff\xfe", b"{"])
        found: list[Record] = []
        for partition, span in (await reader.spans()).items():
            for stretch in await all_of(reader.read(partition, *span)):
                found += stretch.records
        standing = await log.records()
        assert places(found) == places(standing)
        for record, stands in zip(found, standing, strict=True):
            for name in ("topic", "partition", "offset", "timestamp", "key", "value"):
                assert getattr(record, name) == getattr(stands, name)
            assert list(record.headers) == list(stands.headers)

    @pytest.mark.parametrize(("start", "end"), [(0, 6), (2, 5), (5, 6), (3, 3)])
    async def test_exactly_the_given_range_is_read(
        self, log: LogUnderTest, reader: LogReader, start: int, end: int
    ) -> None:
        """Whatever comes before and behind it; none of an empty one."""
        await append(log, 0, 6)
        await append(log, 1, 6)
        stretches = await all_of(reader.read(0, start, end))
        assert offsets(stretches) == list(range(start, end))
        assert deleted(stretches) == 0

    async def test_long_range_comes_in_order_and_in_parts(self, log: LogUnderTest, reader: LogReader) -> None:
        """So that a reader of millions needs no more memory than one of thousands."""
        await append(log, 3, MANY)
        stretches = await all_of(reader.read(3, 0, MANY))
        assert offsets(stretches) == list(range(MANY))
        assert max(len(stretch.records) for stretch in stretches) <= 5_000

    async def test_two_ways_through_the_log_are_independent(self, log: LogUnderTest, reader: LogReader) -> None:
        """One reader may be at both at once."""
        for partition in (0, 1):
            await append(log, partition, 50)
        one, other = await asyncio.gather(all_of(reader.read(0, 0, 50)), all_of(reader.read(1, 10, 40)))
        assert (offsets(one), offsets(other)) == (list(range(50)), list(range(10, 40)))

    async def test_what_retention_took_is_counted(self, log: LogUnderTest, reader: LogReader) -> None:
        """Before the records that follow it."""
        await append(log, 0, 10)
        await log.expire(0, before=6)
        stretches = await all_of(reader.read(0, 2, 9))
        assert deleted(stretches) == 4
        assert offsets(stretches) == [6, 7, 8]
        assert stretches[0].deleted == 4

    async def test_range_that_retention_took_whole_is_counted_to_its_end(
        self, log: LogUnderTest, reader: LogReader
    ) -> None:
        """And no further; an emptied partition is no other case."""
        await append(log, 0, 10)
        await log.expire(0, before=10)
        stretches = await all_of(reader.read(0, 2, 7))
        assert (deleted(stretches), offsets(stretches)) == (5, [])

    async def test_retention_at_work_meanwhile_is_counted_as_well(self, log: LogUnderTest, reader: LogReader) -> None:
        """What was read until then was read; every offset is one or the other."""
        await append(log, 0, MANY)
        stretches: list[Stretch] = []
        async with asyncio.timeout(PATIENCE), aclosing(reader.read(0, 0, MANY)) as reading:
            async for stretch in reading:
                if not stretches:
                    await log.expire(0, before=MANY - 10)
                stretches.append(stretch)
        assert 0 < deleted(stretches) < MANY - 10
        assert offsets(stretches)[-10:] == list(range(MANY - 10, MANY))
        assert deleted(stretches) + len(offsets(stretches)) == MANY

    async def test_first_record_of_a_time_or_later_is_found(self, log: LogUnderTest, reader: LogReader) -> None:
        """To the millisecond, which is what records have; the partition's end where there is none."""
        for _ in range(3):
            await append(log, 0, 2)
            await passing_of_a_millisecond()
        times = [time_of(record.timestamp) for record in await log.records()]
        moments = [datetime.min.replace(tzinfo=UTC), *times, *(time + MICROSECOND for time in times)]
        for moment in [*moments, times[-1] + timedelta(days=1), datetime.max.replace(tzinfo=UTC)]:
            expected = next((offset for offset, time in enumerate(times) if time >= moment), len(times))
            assert await reader.offsets_at(moment) == {0: expected, 1: 0, 2: 0, 3: 0}

    async def test_time_before_everything_finds_what_retention_left(self, log: LogUnderTest, reader: LogReader) -> None:
        """The first record that is left, not the first that ever was."""
        await append(log, 0, 5)
        await log.expire(0, before=3)
        assert (await reader.offsets_at(datetime(2000, 1, 1, tzinfo=UTC)))[0] == 3

    async def test_positions_of_a_group_are_read_and_not_moved(self, log: LogUnderTest, reader: LogReader) -> None:
        """While its members are at work; reading is none of their business."""
        await append(log, 0, 6)
        await append(log, 1, 6)
        source = await log.join()
        await collect(source, 12)
        await source.commit({0: 6})
        for _ in range(2):
            assert {at: position for at, position in (await reader.committed(log.group)).items() if position} == {0: 6}
            assert offsets(await all_of(reader.read(1, 0, 6))) == list(range(6))

    async def test_group_that_never_committed_has_no_positions(self, log: LogUnderTest, reader: LogReader) -> None:
        """It may not even exist."""
        await append(log, 0, 1)
        assert await reader.committed("nobody") == {}

    async def test_every_partition_can_be_read(self, log: LogUnderTest, reader: LogReader) -> None:
        """One after the other, as many as there are."""
        for partition in range(PARTITIONS):
            await append(log, partition, partition)
        for partition, span in (await reader.spans()).items():
            assert span == Span(0, partition)
            assert offsets(await all_of(reader.read(partition, *span))) == list(range(partition))


async def passing_of_a_millisecond() -> None:
    """Wait until the clock tells another millisecond."""
    now = datetime.now(UTC)
    while datetime.now(UTC) < now + timedelta(milliseconds=1):
        await asyncio.sleep(0)
