"""Look at a topic, as a member of no group."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from adapters.kafka.connection import Brokers, translated
from adapters.kafka.consumer.fetching import is_unreadable
from adapters.kafka.patches import NotePassedOver, committed_offsets, stop_consumer, throttled_until
from adapters.kafka.topics import partition_numbers
from application.ports import Span, Stretch
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment

_CALL_LIMIT_SECONDS = 15.0
_SILENCE_SECONDS = 30.0
"""How long the brokers may give nothing of what they have."""
_LOOK_MS = 200
_CHUNK_RECORDS = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KafkaLogReader:
    """`LogReader` over one topic; each call has a client of its own."""

    def __init__(self, brokers: Brokers, topic: str) -> None:
        self._brokers = brokers
        self._topic = topic

    async def spans(self) -> Mapping[int, Span]:
        async with self._asking() as (consumer, partitions):
            beginnings = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            return {at.partition: Span(beginnings[at], ends[at]) for at in partitions}

    async def offsets_at(self, moment: datetime) -> Mapping[int, int]:
        # Rounded up, since a record has whole milliseconds; those below zero have other meanings in the protocol.
        milliseconds = max(-((_EPOCH - moment) // timedelta(milliseconds=1)), 0)
        async with self._asking() as (consumer, partitions):
            # The ends first: what comes meanwhile stands behind them.
            ends = await consumer.end_offsets(partitions)
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
            return {at.partition: ends[at] if found[at] is None else found[at].offset for at in partitions}

    async def committed(self, group: str) -> Mapping[int, int]:
        # Without a subscription the client does not join.
        async with self._asking(group) as (consumer, partitions):
            offsets = await committed_offsets(consumer, partitions)
            return {at.partition: offset for at, offset in offsets.items()}

    async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
        if start >= end:
            # The client cannot be stopped in order before it has done anything for its assignment.
            return
        passed_over: dict[int, int] = {}
        with translated():
            async with self._connected(note_passed_over=passed_over.__setitem__) as consumer:
                reading = _Reading(consumer, TopicPartition(self._topic, partition), start, end, passed_over)
                while reading.position < end:
                    yield await reading.next()

    @asynccontextmanager
    async def _asking(self, group: str | None = None) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        """Connect for some questions about all partitions, which have to be answered soon."""
        with translated():
            async with asyncio.timeout(_CALL_LIMIT_SECONDS), self._connected(group) as consumer:
                numbers = await partition_numbers(self._brokers, self._topic)
                yield consumer, [TopicPartition(self._topic, number) for number in numbers]

    @asynccontextmanager
    async def _connected(
        self, group: str | None = None, note_passed_over: NotePassedOver | None = None
    ) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._brokers.options(),
            group_id=group,
            enable_auto_commit=False,
            # Never skip in silence what retention took.
            auto_offset_reset="none",
            isolation_level="read_committed",
            value_deserializer=note_passed_over,
        )
        try:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                await consumer.start()
            yield consumer
        finally:
            await stop_consumer(consumer)


class _Reading:
    """One way through a partition; the client is told where to read on after each of its errors."""

    def __init__(
        self, consumer: AIOKafkaConsumer, at: TopicPartition, start: int, end: int, passed_over: dict[int, int]
    ) -> None:
        """`passed_over` is where the client notes what transactions take: from which offset, up to which one."""
        self.position = start
        self._passed_over = passed_over
        self._consumer = consumer
        self._at = at
        self._end = end
        self._limit = _CHUNK_RECORDS
        consumer.assign([at])
        consumer.seek(at, start)

    async def next(self) -> Stretch:
        """Read on."""
        start = self.position
        self._passed_over.clear()
        try:
            records = await self._fetch()
        except OffsetOutOfRangeError:
            async with asyncio.timeout(_CALL_LIMIT_SECONDS):
                beginning: int = (await self._consumer.beginning_offsets([self._at]))[self._at]
            if beginning <= self.position:
                raise WrongDeployment(f"kafka: {self._place}: the log was truncated or made anew") from None
            deleted = min(beginning, self._end) - self.position
            self._go_to(self.position + deleted)
            return Stretch(deleted, (), self.position)
        except Exception as error:
            if not is_unreadable(error):
                raise
            if self._limit == 1:
                raise WrongDeployment(f"kafka: {self._place}: the record cannot be read: {error!r}") from error
            # The client drops what it has read beside a record that it fails on: one by one, that record is found.
            self._limit = 1
            self._go_to(self.position)
            return Stretch(0, (), self.position)
        marks = sum(max(min(last, self._end) - max(first, start), 0) for first, last in self._passed_over.items())
        return Stretch(0, [record for record in records if record.offset < self._end], self.position, marks)

    async def _fetch(self) -> Sequence[Record]:
        """Wait for records, or for the client to pass over offsets without any, which it does not tell."""
        start = self.position
        try:
            async with asyncio.timeout(_SILENCE_SECONDS) as limit:
                while self.position == start:
                    fetched = await self._consumer.getmany(self._at, timeout_ms=_LOOK_MS, max_records=self._limit)
                    self.position = min(await self._consumer.position(self._at), self._end)
                    # A throttle is no silence.
                    limit.reschedule(max(limit.when() or 0.0, throttled_until(self._consumer) + _SILENCE_SECONDS))
        except TimeoutError:
            raise Unavailable(f"kafka: {self._place}: nothing came within {_SILENCE_SECONDS:g} s") from None
        records: Sequence[Record] = fetched.get(self._at, ())
        return records

    def _go_to(self, position: int) -> None:
        self.position = position
        self._consumer.seek(self._at, position)

    @property
    def _place(self) -> str:
        return f"{self._at.topic}, partition {self._at.partition}, offset {self.position}"
