"""A batch that several calls wait for, each until a moment of its own."""

import asyncio

import pytest
from aiokafka.structs import RecordMetadata, TopicPartition

from adapters.kafka.pending import Pending, join
from tests.support.waiting import PATIENCE

WORD = RecordMetadata("events", 0, TopicPartition("events", 0), 7, -1, 0, None)


@pytest.fixture
async def word() -> asyncio.Future[RecordMetadata]:
    """The log's word, which has not come yet."""
    return asyncio.get_running_loop().create_future()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_word_wakes_all(word: asyncio.Future[RecordMetadata]) -> None:
    """Whoever was cancelled meanwhile does not stand in the way."""
    pending = Pending(word)
    waiters = [pending.wait(now() + 60) for _ in range(3)]
    waiters[1].cancel()
    word.set_result(WORD)
    async with asyncio.timeout(PATIENCE):
        await waiters[0]
        await waiters[2]


async def test_each_waits_until_its_own_end(word: asyncio.Future[RecordMetadata]) -> None:
    """One after the other, and the word itself stays open."""
    pending = Pending(word)
    soon, later, last = (pending.wait(now() + seconds) for seconds in (0.01, 0.05, 60))
    await soon
    assert not later.done()
    await later
    assert not last.done()
    assert not word.done()


async def test_word_that_has_come_is_not_waited_for(word: asyncio.Future[RecordMetadata]) -> None:
    """Also where somebody waited for it before."""
    pending = Pending(word)
    before = pending.wait(now() + 60)
    word.set_exception(ConnectionError())
    async with asyncio.timeout(PATIENCE):
        await before
        await pending.wait(now() + 60)


async def test_several_batches_take_no_longer_than_one() -> None:
    """Whoever joins the second one while the first is waited for has a later end."""
    first, second = (Pending(asyncio.get_running_loop().create_future()) for _ in range(2))
    waiters = join([first, second], now() + 0.02)
    joined = second.wait(now() + 60)
    async with asyncio.timeout(PATIENCE):
        for waiter in waiters:
            await waiter
    assert not joined.done()
