"""The queue of a partition's records: in order, bounded, and open at both ends."""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.consume.record_queue import RecordQueue
from application.event_loop import TURN_SECONDS
from domain.dead_letter import Failure, Record
from domain.event import UserEvent
from tests.support.consumer_world import settled
from tests.support.events import a_record, decode

BATCH_SIZE = 10


def records(*offsets: int) -> Sequence[Record]:
    """Make records at these offsets."""
    return [a_record(b"", offset=offset) for offset in offsets]


def offsets(taken: Sequence[Record]) -> list[int]:
    """Return the offsets of records."""
    return [record.offset for record in taken]


@pytest.fixture
def queue() -> RecordQueue:
    """An empty queue."""
    return RecordQueue(BATCH_SIZE, decode)


async def test_records_are_joined_and_stay_until_dropped(queue: RecordQueue) -> None:
    """A batch is as large as it may be, however the records were polled."""
    queue.put(records(0, 1, 2))
    queue.put(records(3, 4, 5))
    assert offsets(await queue.beyond(0, 4)) == [0, 1, 2, 3]
    assert offsets(await queue.beyond(4, 4)) == [4, 5]
    queue.drop(4)
    assert (len(queue), offsets(await queue.beyond(0, 4))) == (2, [4, 5])
    queue.drop(2)
    assert len(queue) == 0


def test_queue_is_full_with_two_batches(queue: RecordQueue) -> None:
    """In however many polls; it takes the records of one more poll."""
    for offset in range(2 * BATCH_SIZE):
        assert not queue.is_full
        queue.put(records(offset))
    assert queue.is_full
    queue.put(records(2 * BATCH_SIZE))
    queue.drop(2)
    assert not queue.is_full


def test_queue_is_full_with_large_values(queue: RecordQueue) -> None:
    """Of 8 MiB in all; what is dropped in the middle of a poll counts no more."""
    value = bytes(1024 * 1024)
    queue.put([a_record(value, offset=offset) for offset in range(8)])
    assert (queue.bytes, queue.is_full) == (8 * len(value), True)
    queue.drop(1)
    assert (queue.bytes, queue.is_full) == (7 * len(value), False)
    queue.put([a_record(None, offset=8)])
    assert queue.bytes == 7 * len(value)


async def test_records_beyond_some_are_waited_for(queue: RecordQueue) -> None:
    """As are the first ones of an empty queue."""
    for count, offset in ((0, 7), (1, 8)):
        waiting = asyncio.create_task(queue.beyond(count, 1))
        await settled()
        assert not waiting.done()
        queue.put(records(offset))
        assert offsets(await waiting) == [offset]
    assert len(queue) == 2


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 6))))
async def test_every_record_is_returned_in_order(steps: list[tuple[int, int, int]]) -> None:
    """However polls, batches and what is done of them are mixed."""
    queue, expected, end = RecordQueue(BATCH_SIZE, decode), deque[int](), 0
    for polled, limit, done in steps:
        queue.put(records(*range(end, end + polled)))
        expected += range(end, end + polled)
        end += polled
        batch = await queue.beyond(0, limit)
        assert offsets(batch) == list(expected)[:limit]
        for _ in range(min(done, len(batch))):
            expected.popleft()
        queue.drop(min(done, len(batch)))
        assert len(queue) == len(expected)


async def test_slow_decoding_lets_others_in() -> None:
    """As where payloads take long to check, far below the number of records after which others always work."""

    def slow(record: Record) -> UserEvent | Failure:
        ends = perf_counter() + TURN_SECONDS
        while perf_counter() < ends:
            pass
        return decode(record)

    queue = RecordQueue(BATCH_SIZE, slow)
    queue.put(records(*range(BATCH_SIZE)))
    reading = asyncio.create_task(queue.read(BATCH_SIZE))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= BATCH_SIZE
