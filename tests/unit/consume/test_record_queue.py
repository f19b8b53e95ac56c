"""The queue of a partition's records: in order, bounded by polls, and open at both ends."""

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.consume.record_queue import RecordQueue
from domain.dead_letter import Record
from tests.support.consumer_world import settled
from tests.support.events import a_record


def records(*offsets: int) -> Sequence[Record]:
    """Make records at these offsets."""
    return [a_record(b"", offset=offset) for offset in offsets]


def offsets(taken: Sequence[Record]) -> list[int]:
    """Return where records stand."""
    return [record.offset for record in taken]


@pytest.fixture
def queue() -> RecordQueue:
    """An empty queue."""
    return RecordQueue()


def test_take_joins_polls_and_splits_them(queue: RecordQueue) -> None:
    """A batch is as large as it may be, however the records were polled."""
    queue.put(records(0, 1, 2))
    queue.put(records(3, 4, 5))
    assert offsets(queue.take(4)) == [0, 1, 2, 3]
    assert offsets(queue.take(4)) == [4, 5]
    assert offsets(queue.take(4)) == []


def test_records_put_back_come_first(queue: RecordQueue) -> None:
    """Where they were taken from."""
    queue.put(records(0, 1, 2, 3))
    taken = queue.take(3)
    queue.put_back(taken[1:])
    queue.put(records(4))
    assert offsets(queue.take(9)) == [1, 2, 3, 4]


def test_nothing_put_back_changes_nothing(queue: RecordQueue) -> None:
    """Whether the queue is empty or not."""
    queue.put_back([])
    assert (len(queue), queue.is_full) == (0, False)
    queue.put(records(0))
    queue.put_back([])
    assert (offsets(queue.take(9)), queue.is_full) == ([0], False)


@pytest.mark.parametrize("size", [1, 1_000])
def test_queue_is_full_with_two_polls_of_any_size(queue: RecordQueue, size: int) -> None:
    """And has room again as soon as one of them is taken whole."""
    polled = records(*range(size))
    queue.put(polled)
    assert not queue.is_full
    queue.put(polled)
    assert queue.is_full
    assert len(queue) == 2 * size
    queue.take(size - 1)
    assert queue.is_full
    queue.take(1)
    assert not queue.is_full


async def test_first_waits_for_a_record_and_leaves_it(queue: RecordQueue) -> None:
    """It is asked for before a batch is begun."""
    first = asyncio.ensure_future(queue.first())
    await settled()
    assert not first.done()
    queue.put(records(7, 8))
    assert (await first).offset == 7
    assert len(queue) == 2


@pytest.mark.parametrize("is_put_back", [False, True])
async def test_first_waits_again_once_all_is_taken(queue: RecordQueue, *, is_put_back: bool) -> None:
    """Until records come, or come back."""
    queue.put(records(0, 1))
    queue.take(1)
    assert (await queue.first()).offset == 1
    taken = queue.take(1)
    first = asyncio.ensure_future(queue.first())
    await settled()
    assert not first.done()
    (queue.put_back if is_put_back else queue.put)(taken)
    assert await first is taken[0]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 6))))
def test_every_record_is_taken_once_and_in_order(steps: list[tuple[int, int, int]]) -> None:
    """However polls, batches and what they leave are mixed."""
    queue, expected, end = RecordQueue(), deque[int](), 0
    for polled, limit, left in steps:
        queue.put(records(*range(end, end + polled)))
        expected += range(end, end + polled)
        end += polled
        taken = queue.take(limit)
        assert offsets(taken) == [expected.popleft() for _ in taken]
        assert len(taken) == min(limit, len(taken) + len(expected))
        behind = taken[len(taken) - min(left, len(taken)) :]
        queue.put_back(behind)
        expected.extendleft(reversed(offsets(behind)))
        assert len(queue) == len(expected)
