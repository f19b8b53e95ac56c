"""Records in the Kafka client's batches, none of which is sent here."""

import asyncio
import gc
from random import Random

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import PartitionMetadata, RecordMetadata

from adapters.in_flight import InFlight, size_of
from adapters.kafka.record_batches import Outgoing, RecordBatches
from domain.errors import Unavailable

PARTITIONS = range(7)
LED = {0, 5}
BATCH_BYTES = 1_000
SIZE = len(b"key" + b"x" * 5 + b"name")
"""Of a record that `put` appends."""
MAX_RECORD_BYTES = 2_000


@pytest.fixture
async def producer() -> AIOKafkaProducer:
    """A producer that knows the topic `events` as if it had been told."""
    made = AIOKafkaProducer(max_batch_size=BATCH_BYTES, enable_idempotence=True)
    made.client.cluster._partitions["events"] = {
        number: PartitionMetadata("events", number, 1 if number in LED else -1, [1], [1], None) for number in PARTITIONS
    }
    # It was not started: there is nothing to stop.
    made._closed = True
    return made


@pytest.fixture
def in_flight() -> InFlight:
    """Room for three records."""
    return InFlight(max_events=3)


@pytest.fixture
def batches(producer: AIOKafkaProducer, in_flight: InFlight) -> RecordBatches:
    """The batches of that producer."""
    return RecordBatches(producer, MAX_RECORD_BYTES, in_flight)


def put(
    batches: RecordBatches, key: bytes | None = b"key", size: int = 5, topic: str = "events"
) -> asyncio.Future[RecordMetadata]:
    """Append a record; return the log's word on its batch."""
    record = Outgoing(key, b"x" * size, [("name", None)])
    return batches.append(topic, record, size_of(record)).batch.word


def in_order(producer: AIOKafkaProducer) -> dict[int, list[tuple[object, int]]]:
    """Tell each partition's batches, and how many records each has."""
    waiting = producer._message_accumulator._batches
    return {place.partition: [(each.future, each.record_count) for each in those] for place, those in waiting.items()}


async def test_partition_of_a_key_is_the_one_that_other_clients_choose(
    producer: AIOKafkaProducer, batches: RecordBatches
) -> None:
    """The client's own partitioner is one of them; a key that was seen before is no exception."""
    random = Random(1)
    keys = [random.randbytes(length) for length in range(60)]
    for key in keys + keys:
        put(batches, key)
    chosen = [DefaultPartitioner()(key, list(PARTITIONS), list(LED)) for key in keys]
    counts = {partition: sum(count for _, count in those) for partition, those in in_order(producer).items()}
    assert counts == {partition: 2 * chosen.count(partition) for partition in chosen}


async def test_record_without_a_key_goes_where_there_is_a_leader(
    producer: AIOKafkaProducer, batches: RecordBatches
) -> None:
    """Any will do."""
    for _ in range(50):
        put(batches, None)
    assert in_order(producer).keys() == LED


async def test_full_batch_is_followed_by_another(producer: AIOKafkaProducer, batches: RecordBatches) -> None:
    """Nothing waits, and what has room again stays behind what came before."""
    appended = [put(batches, size=size) for size in [400, 400, 400, 1_500, 5, 5]]
    [those] = in_order(producer).values()
    assert [count for _, count in those] == [2, 1, 1, 2]
    futures = [future for future, _ in those]
    assert [futures.index(word) for word in appended] == [0, 0, 1, 2, 3, 3]


async def test_nothing_follows_a_batch_that_has_failed(producer: AIOKafkaProducer, batches: RecordBatches) -> None:
    """Whether it was there already or comes later; other partitions go on."""
    first, _, second = (put(batches, size=size) for size in (400, 400, 800))
    [those] = producer._message_accumulator._batches.values()
    those.popleft().failure(MessageSizeTooLargeError("refused"))
    assert isinstance(await asyncio.wait_for(_error_of(first), 1), MessageSizeTooLargeError)
    assert "not sent" in str(await asyncio.wait_for(_error_of(second), 1))
    with pytest.raises(KafkaError, match="not sent"):
        put(batches)
    assert in_order(producer) == {}
    other = next(key for key in map(str.encode, map(str, range(50))) if _place(key) != _place(b"key"))
    assert not put(batches, other).done()


async def test_record_that_is_too_large_leaves_no_trace(producer: AIOKafkaProducer, batches: RecordBatches) -> None:
    """It is refused before there is a batch for it."""
    with pytest.raises(MessageSizeTooLargeError):
        put(batches, size=MAX_RECORD_BYTES)
    assert in_order(producer) == {}


async def test_topic_must_be_known(batches: RecordBatches) -> None:
    """Otherwise there is no partition to choose."""
    assert (batches.knows("events"), batches.knows("others")) == (True, False)
    with pytest.raises(UnknownTopicOrPartitionError):
        put(batches, topic="others")


async def test_client_that_has_ended_or_failed_takes_nothing(
    producer: AIOKafkaProducer, batches: RecordBatches
) -> None:
    """As its own `send` would not."""
    producer._message_accumulator.fail_all(KafkaConnectionError("gone"))
    with pytest.raises(KafkaConnectionError, match="gone"):
        put(batches)
    await producer._message_accumulator.close()
    with pytest.raises(ProducerClosed):
        put(batches)


async def test_record_that_is_refused_for_its_size_bars_no_other(
    producer: AIOKafkaProducer, batches: RecordBatches
) -> None:
    """Nobody sends it again, so that nothing could come before it."""
    alone, next_one = put(batches, size=1_500), put(batches, size=800)
    [those] = producer._message_accumulator._batches.values()
    those.popleft().failure(MessageSizeTooLargeError("refused"))
    assert isinstance(await asyncio.wait_for(_error_of(alone), 1), MessageSizeTooLargeError)
    assert not next_one.done()
    assert not put(batches).done()


@pytest.mark.parametrize("error", [None, KafkaConnectionError("gone")], ids=["acknowledged", "failed"])
async def test_records_are_in_flight_until_the_log_has_spoken(
    producer: AIOKafkaProducer, batches: RecordBatches, in_flight: InFlight, error: Exception | None
) -> None:
    """Whatever it says, and about all records of the batch together."""
    in_flight.add([SIZE] * 3)
    first, *_ = [put(batches, size=5) for _ in range(3)]
    assert batches.records == 3
    with pytest.raises(Unavailable):
        in_flight.add([SIZE])
    [those] = producer._message_accumulator._batches.values()
    batch = those.popleft()
    batch.done(0) if error is None else batch.failure(error)
    assert batches.records == 0
    assert await asyncio.wait_for(_error_of(first), 1) is error
    in_flight.add([SIZE] * 3)


async def test_failure_that_nobody_waits_for_is_not_reported_as_forgotten(
    producer: AIOKafkaProducer, batches: RecordBatches
) -> None:
    """What was given up is told in one line elsewhere."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    put(batches)
    producer._message_accumulator.fail_all(KafkaConnectionError("gone"))
    producer._message_accumulator._batches.clear()
    # In the next turn the batches hear of it.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert reported == []


def _place(key: bytes) -> int:
    return int(DefaultPartitioner()(key, list(PARTITIONS), list(LED)))


async def _error_of(word: asyncio.Future[RecordMetadata]) -> BaseException | None:
    await asyncio.wait([word])
    return word.exception()
