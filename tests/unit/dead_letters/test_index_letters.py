"""The indexer: what stands in the DLQ is noted before its offset is committed."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from adapters.kafka.connection import Brokers
from adapters.kafka.dead_letter_queue import KafkaDeadLetterQueue
from adapters.kafka.producer import Producer, ProducerRecord, PublishOutcome
from adapters.memory import MemoryOversizeLetters
from adapters.records import dlq_headers
from application.dead_letters import index_letters, letter_records
from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from tests.support.events import a_dead_letter, a_record
from tests.support.waiting import eventually
from tests.unit.dead_letters.worlds import Running, World, a_letter


async def until_committed(world: World, count: int) -> None:
    """Wait until the indexer has committed so many records."""

    async def is_committed() -> bool:
        return world.committed == count

    await eventually(is_committed, f"{count} committed records")


async def test_letters_are_noted_and_then_committed() -> None:
    """Those that were there, and those that come."""
    world = World()
    await world.dead_letters(1, 2, 3)
    indexer, _ = await world.indexer()
    async with Running(indexer):
        await until_committed(world, 3)
        await world.dead_letters(4)
        await until_committed(world, 4)
    assert world.index.noted == ["0-1", "0-2", "0-3", "0-4"]


async def test_nothing_is_committed_that_is_not_noted(caplog: pytest.LogCaptureFixture) -> None:
    """While the index is away nothing more is read, and it is told once; then all of it is noted."""
    caplog.set_level(logging.INFO)
    world = World()
    world.index.outage = Unavailable("database: away")
    await world.dead_letters(1, 2)
    indexer, _ = await world.indexer()
    async with Running(indexer):

        async def is_tried_again() -> bool:
            return world.index.asked >= 5

        await eventually(is_tried_again, "several tries")
        assert (world.index.noted, world.committed) == ([], 0)
        await world.dead_letters(3)
        world.index.outage = None
        await until_committed(world, 3)
    assert world.index.noted == ["0-1", "0-2", "0-3"]
    assert caplog.messages.count("cannot index dead letters at present") == 1
    assert caplog.messages.count("indexing dead letters again") == 1


async def test_letters_polled_before_a_failure_are_noted_by_the_next_run() -> None:
    """The source gives no record twice."""
    world = World()
    world.index.outage = WrongDeployment("database: no table")
    await world.dead_letters(1, 2)
    indexer, _ = await world.indexer()
    with pytest.raises(WrongDeployment, match="no table"):
        await indexer.run(asyncio.Event())
    world.index.outage = None
    async with Running(indexer):
        await until_committed(world, 2)
    assert world.index.noted == ["0-1", "0-2"]


async def test_log_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """As the index is."""
    world = World()
    await world.dead_letters(1)
    indexer, source = await world.indexer()
    source.outage = Unavailable("kafka: away")
    async with Running(indexer):

        async def is_told() -> bool:
            return "cannot index dead letters at present" in caplog.messages

        await eventually(is_told, "a line about the outage")
        source.outage = None
        await until_committed(world, 1)


async def test_another_member_takes_over_without_a_gap() -> None:
    """What the first one had noted and not committed is noted twice."""
    world = World()
    first, _ = await world.indexer()
    async with Running(first):
        await world.dead_letters(1)
        await until_committed(world, 1)
        second, _ = await world.indexer()
        async with Running(second):
            world.log.append("dlq", b"k", b"{", partition=0)
            world.log.append("dlq", b"k", b"{", partition=1)
            await until_committed(world, 3)
            await world.dead_letters(*range(2, 20))
            await until_committed(world, 21)
    assert {*world.index.noted} >= {f"0-{offset}" for offset in range(1, 20)}
    assert len({*world.index.noted}) == 21


async def test_partition_with_a_gap_is_read_on_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can read what is gone."""
    world = World()
    await world.dead_letters(1, 2, 3)
    (partition,) = {record.partition for record in world.log.records("dlq")}
    world.log.expire("dlq", partition, before=2)
    indexer, _ = await world.indexer()
    async with Running(indexer):
        await until_committed(world, 3)
    assert world.index.noted == ["0-3"]
    assert "dead letters skipped: the DLQ cannot be read there" in caplog.messages


async def test_pointer_is_noted_with_its_letter() -> None:
    """By its number, or where it has none by the record that it is about."""
    world = World()
    for offset, has_number in ((1, True), (2, False)):
        letter = a_letter(offset, b"large")
        number = await world.oversize.keep(letter)
        pointer = [*dlq_headers.render(letter), ("dlq.oversize", b"oversize_letters")]
        world.log.append("dlq", None, None, [*pointer, *([("dlq.oversize-id", b"%d" % number)] if has_number else [])])
    indexer, _ = await world.indexer()
    async with Running(indexer):
        await until_committed(world, 2)
    assert [(letter.id, letter.value) for batch in world.index.batches for letter in batch] == [
        ("0-1", b"large"),
        ("0-2", b"large"),
    ]


async def test_letters_that_the_dlq_refused_are_noted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that come later; of the others the DLQ has a pointer."""
    monkeypatch.setattr(index_letters, "_KEPT_SECONDS", 0.02)
    world = World()
    await world.oversize.keep(a_letter(1), "InvalidRecordError")
    await world.oversize.keep(a_letter(2))
    indexer, _ = await world.indexer()
    async with Running(indexer):

        async def is_noted(letter_id: str) -> bool:
            return letter_id in world.index.noted

        await eventually(lambda: is_noted("0-1"), "the letter that was kept before")
        await world.oversize.keep(a_letter(3), "InvalidRecordError")
        await world.dead_letters(4)
        await eventually(lambda: is_noted("0-3"), "the letter that was kept later")
        await eventually(lambda: is_noted("0-4"), "the letter in the DLQ")
    places = {letter.id: (letter.dlq_partition, letter.dlq_offset) for batch in world.index.batches for letter in batch}
    assert {places["0-1"], places["0-3"]} == {(-1, 1), (-1, 3)}
    assert "0-2" not in places


async def test_batches_are_bounded_in_letters_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many letters there are, and however large."""
    monkeypatch.setattr(letter_records, "_BATCH_LETTERS", 3)
    monkeypatch.setattr(letter_records, "_BATCH_BYTES", 100)
    world = World()
    values = [b"{"] * 7 + [b"{" + b"x" * 60] * 4
    records = [a_record(value, offset=offset) for offset, value in enumerate(values)]
    batches = [len(batch) async for batch in world.records.batches(records)]
    assert batches == [3, 3, 3, 2]
    assert [batch async for batch in world.records.batches([])] == []


async def test_stop_ends_an_idle_indexer_soon() -> None:
    """Within the wait of a poll."""
    world = World()
    indexer, _ = await world.indexer()
    stop = asyncio.Event()
    async with asyncio.timeout(5):
        asyncio.get_running_loop().call_later(0.01, stop.set)
        await indexer.run(stop)


class SmallTopic(Producer):
    """Takes records without a value only."""

    def __init__(self) -> None:
        super().__init__(Brokers("127.0.0.1:1"), max_record_bytes=1, deadline=1, drain_limit=0)
        self.sent: list[ProducerRecord] = []

    async def send(self, topic: str, records: Sequence[ProducerRecord]) -> list[PublishOutcome]:
        del topic
        self.sent += [record for record in records if record.value is None]
        return [Receipt(0, 0) if record.value is None else Rejected("too large") for record in records]


async def test_pointers_carry_the_number_of_their_letter() -> None:
    """And all of our own headers."""
    producer, oversize = SmallTopic(), MemoryOversizeLetters()
    await oversize.keep(a_dead_letter(a_record(b"another", offset=9)))
    letter = a_dead_letter(a_record(b"large", headers=(("a", b"1"),)))
    await KafkaDeadLetterQueue(producer, "dlq", oversize).send([letter])
    (pointer,) = producer.sent
    ours = [header for header in dlq_headers.render(letter) if header[0] != "a"]
    number = b"%d" % await oversize.keep(letter)
    assert (pointer.key, pointer.value) == (None, None)
    assert pointer.headers == [*ours, ("dlq.oversize", b"oversize_letters"), ("dlq.oversize-id", number)]
