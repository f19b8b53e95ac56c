"""While the database takes a batch, the next one is decoded, and no more."""

from collections import Counter
from collections.abc import Sequence

import pytest

from application.consume.record_queue import RecordQueue
from application.ports import Delivery, Outcome
from domain.dead_letter import Failure, Record
from domain.errors import Unavailable
from domain.event import UserEvent
from tests.support.consumer_world import ConsumerWorld, settled, until
from tests.support.events import a_record, decode


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, int]]:
    """How often each record was decoded, by partition and offset; requested before the `world`."""
    counts: Counter[tuple[int, int]] = Counter()

    def counting(record: Record) -> UserEvent | Failure:
        counts[record.partition, record.offset] += 1
        return decode(record)

    monkeypatch.setattr(ConsumerWorld, "decode", staticmethod(counting))
    return counts


async def test_one_batch_is_decoded_ahead(decoded: Counter[tuple[int, int]]) -> None:
    """Also of records that come meanwhile; each record once."""
    world = ConsumerWorld()
    world.append(150)
    world.store.gate.clear()
    async with world.running():
        await until(lambda: len(decoded) == 150)
        world.append(350)
        await until(lambda: len(decoded) == 200)
        await settled()
        assert len(decoded) == 200
        assert [len(call) for call in world.store.calls] == [100]
        world.store.gate.set()
        await until(lambda: world.committed() == {0: 500})
    assert set(decoded.values()) == {1}


async def test_retries_decode_nothing_again(decoded: Counter[tuple[int, int]]) -> None:
    """Neither the batch itself nor what was decoded ahead."""
    world = ConsumerWorld()
    events = world.append(200)
    world.store.outage = Unavailable("database: down")
    async with world.running():
        await until(lambda: len(world.store.calls) > 5 and len(decoded) == 200)
        world.store.outage = None
        await until(lambda: world.committed() == {0: 200})
    assert set(decoded.values()) == {1}
    assert list(world.store.rows) == [event.id for event in events]


async def test_rest_of_a_batch_is_not_decoded_again(decoded: Counter[tuple[int, int]]) -> None:
    """Where it was cut short."""
    world = ConsumerWorld()
    world.append_garbage(30)
    events = world.append(270)
    async with world.running():
        await until(lambda: world.consumer.partitions.halted.keys() == {0})
        await world.another().resume()
        await until(lambda: world.committed() == {0: 300})
    assert list(world.store.rows) == [event.id for event in events]
    assert sorted(offset for _, offset in decoded) == list(range(300))
    assert set(decoded.values()) == {1}


async def test_nothing_is_decoded_beside_a_suspect(
    decoded: Counter[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of no partition: the wrong record would be blamed for a crash."""
    world = ConsumerWorld()
    await world.crash_before(0, times=2)
    world.append(10)
    world.append(300, partition=1)
    add = world.store.add
    beside: list[int] = []

    async def watched_add(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        is_suspect = deliveries[0].record.partition == 0
        before = decoded.total()
        await settled()
        if is_suspect:
            beside.append(decoded.total() - before)
        return await add(deliveries)

    monkeypatch.setattr(world.store, "add", watched_add)
    async with world.running():
        await until(lambda: world.committed() == {0: 10, 1: 300})
    assert beside == [0] * 10


async def test_contents_are_forgotten_with_their_records(decoded: Counter[tuple[int, int]]) -> None:
    """They would fill the memory, and offsets come again where a topic is made anew."""
    queue = RecordQueue(2, ConsumerWorld.decode)
    queue.put([a_record(b"[]", offset=offset) for offset in range(4)])
    assert len(await queue.read(2)) == 2
    async with queue.reading_ahead(4):
        await until(lambda: len(decoded) == 4)
        await settled()
    queue.drop(3)
    queue.put([a_record(b"[]", offset=0)])
    assert len(await queue.read(2)) == 2
    assert decoded == {(0, 0): 2, (0, 1): 1, (0, 2): 1, (0, 3): 1}
