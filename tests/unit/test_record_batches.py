"""Records in batches, over a client that sends none."""

import asyncio
import gc
from random import Random

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from adapters.in_flight import InFlight, size_of
from adapters.kafka.connection import Brokers
from adapters.kafka.producer import client as client_module
from adapters.kafka.producer.client import ProducerClient
from adapters.kafka.producer.record_batches import ProducerRecord, RecordBatch
from adapters.kafka.producer.refused_sizes import RefusedSizes
from domain.errors import Unavailable
from tests.support.kafka_producer import TOPIC, FakeKafkaProducer
from tests.support.waiting import PATIENCE

PARTITIONS = range(7)
LED = {0, 5}
BATCH_BYTES = 1_000
SIZE = len(b"key" + b"x" * 5 + b"name")
"""Of a record that `append` makes."""
MAX_RECORD_BYTES = 2_000
ACK = RecordMetadata(TOPIC, 0, TopicPartition(TOPIC, 0), 7, -1, 0, None)


def partition_of(key: bytes | None) -> int:
    """The partition that other clients choose."""
    return int(DefaultPartitioner()(key, list(PARTITIONS), list(LED)))


PARTITION = partition_of(b"key")


@pytest.fixture
async def kafka() -> FakeKafkaProducer:
    return FakeKafkaProducer(partitions=PARTITIONS, led=LED, batch_bytes=BATCH_BYTES)


@pytest.fixture
def in_flight() -> InFlight:
    """Room for three records."""
    return InFlight(max_events=3)


@pytest.fixture
def sizes() -> RefusedSizes:
    return RefusedSizes()


@pytest.fixture
def client(
    kafka: FakeKafkaProducer, in_flight: InFlight, sizes: RefusedSizes, monkeypatch: pytest.MonkeyPatch
) -> ProducerClient:
    async def stop(_producer: object, *, is_flushed: bool) -> None:
        """Let the sender of the client end."""

    monkeypatch.setattr(client_module, "AIOKafkaProducer", lambda **_: kafka)
    monkeypatch.setattr(client_module, "stop_producer", stop)
    return ProducerClient(Brokers(""), MAX_RECORD_BYTES, in_flight, sizes, BATCH_BYTES)


def append(client: ProducerClient, key: bytes | None = b"key", size: int = 5, topic: str = TOPIC) -> RecordBatch:
    """Append a record; return its batch, or raise its error."""
    record = ProducerRecord(key, b"x" * size, [("name", None)])
    [appended] = client.append(topic, [record], [size_of(record.key, record.value, record.headers)])
    if not isinstance(appended, tuple):
        raise appended
    batch: RecordBatch = appended[0]
    return batch


async def test_key_goes_to_the_partition_of_other_clients(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """The client's own partitioner is one of them; a key that was seen before is no exception."""
    random = Random(1)
    keys = [random.randbytes(length) for length in range(60)]
    for key in keys + keys:
        append(client, key, size=0)
    await kafka.settle()
    while pending := [number for number in PARTITIONS if number in kafka._on_their_way]:
        await kafka.acknowledge(pending[0])
    chosen = [partition_of(key) for key in keys]
    assert {number: sum(kafka.counts(number)) for number in chosen} == {
        number: 2 * chosen.count(number) for number in chosen
    }


async def test_record_without_a_key_goes_to_a_leader(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """Any will do."""
    for _ in range(50):
        append(client, None, size=0)
    await kafka.settle()
    assert kafka.sent.keys() == LED


async def test_new_partitions_are_used_once_the_client_knows_them(
    kafka: FakeKafkaProducer, client: ProducerClient
) -> None:
    append(client, b"other")
    kafka.cluster.partitions = {0}
    for listener in kafka.cluster.listeners:
        listener(kafka.cluster)
    append(client, b"key")
    await kafka.settle()
    assert kafka.sent.keys() == {partition_of(b"other"), 0}


async def test_records_appended_meanwhile_go_together_in_order(
    kafka: FakeKafkaProducer, client: ProducerClient
) -> None:
    """One batch of a partition is on its way; a full one is followed by another."""
    first = append(client)
    await kafka.settle()
    appended = [append(client, size=size) for size in (400, 400, 400, 1_500, 5, 5)]
    assert kafka.counts(PARTITION) == [1]
    for _ in range(5):
        await kafka.acknowledge(PARTITION)
    assert kafka.counts(PARTITION) == [1, 2, 1, 1, 2]
    batches = [first, *dict.fromkeys(appended)]
    assert [batches.index(batch) for batch in appended] == [1, 1, 2, 3, 4, 4]
    assert [batch.builder for batch in batches] == kafka.sent[PARTITION]


async def test_nothing_follows_a_failed_batch(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """Whether it was there already or comes later; other partitions go on."""
    first, _, second = (append(client, size=size) for size in (400, 400, 800))
    await kafka.settle()
    await kafka.fail(PARTITION, MessageSizeTooLargeError("refused"))
    assert isinstance(first.error, MessageSizeTooLargeError)
    assert "not sent" in str(second.error)
    with pytest.raises(KafkaError, match="not sent"):
        append(client)
    assert kafka.counts(PARTITION) == [2]
    other = next(key for key in map(str.encode, map(str, range(50))) if partition_of(key) != PARTITION)
    assert not append(client, other).is_answered


async def test_record_above_the_limit_leaves_no_trace(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """It is refused before there is a batch for it; the next record is sent."""
    with pytest.raises(MessageSizeTooLargeError):
        append(client, size=MAX_RECORD_BYTES)
    await kafka.settle()
    assert kafka.sent == {}
    append(client)
    await kafka.settle()
    assert kafka.counts(PARTITION) == [1]


async def test_size_that_was_refused_is_not_sent(
    kafka: FakeKafkaProducer, client: ProducerClient, sizes: RefusedSizes
) -> None:
    """Neither alone nor with others; one byte less may fit."""
    sizes.note(TOPIC, append(client, size=500).size)
    with pytest.raises(MessageSizeTooLargeError, match="recently"):
        append(client, size=500)
    assert append(client, size=499).records == 1


async def test_topic_must_be_known(client: ProducerClient) -> None:
    """Otherwise there is no partition to choose."""
    assert (client.knows(TOPIC), client.knows("others")) == (True, False)
    with pytest.raises(UnknownTopicOrPartitionError):
        append(client, topic="others")


async def test_error_of_the_client_fails_the_batch(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """Whatever it is: the sender of a client that has ended raises its own, and a partition may be gone."""
    kafka.error = AssertionError("Unrecognized partition")
    batch = append(client)
    await kafka.settle()
    assert batch.error is kafka.error


async def test_single_record_refused_for_its_size_bars_no_other(
    kafka: FakeKafkaProducer, client: ProducerClient
) -> None:
    """Nobody sends it again, so that nothing could come before it."""
    alone, next_one = append(client, size=1_500), append(client, size=800)
    await kafka.settle()
    await kafka.fail(PARTITION, MessageSizeTooLargeError("refused"))
    assert isinstance(alone.error, MessageSizeTooLargeError)
    assert not next_one.is_answered
    assert append(client) is not alone
    assert kafka.counts(PARTITION) == [1, 1]


@pytest.mark.parametrize("error", [None, KafkaConnectionError("gone")], ids=["acknowledged", "failed"])
async def test_records_are_in_flight_until_answered(
    kafka: FakeKafkaProducer, client: ProducerClient, in_flight: InFlight, error: KafkaError | None
) -> None:
    """Whatever the answer is, and for all records of the batch together."""
    in_flight.add([SIZE] * 3)
    batch, *_ = [append(client) for _ in range(3)]
    await kafka.settle()
    with pytest.raises(Unavailable):
        in_flight.add([SIZE])
    await (kafka.acknowledge(PARTITION) if error is None else kafka.fail(PARTITION, error))
    assert batch.error is error
    in_flight.add([SIZE] * 3)


async def test_record_that_is_not_appended_leaves_in_flight(client: ProducerClient, in_flight: InFlight) -> None:
    in_flight.add([MAX_RECORD_BYTES])
    record = ProducerRecord(b"key", b"x" * MAX_RECORD_BYTES, [])
    client.append(TOPIC, [record], [MAX_RECORD_BYTES])
    in_flight.add([SIZE] * 3)


async def test_close_waits_for_all_batches(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """Also for those that are not on their way yet; nothing new is taken."""
    batches = [append(client, size=size) for size in (5, 1_500)]
    await kafka.settle()
    closing = asyncio.create_task(client.stop(PATIENCE))
    await kafka.settle()
    with pytest.raises(ProducerClosed):
        append(client)
    for _ in batches:
        assert not closing.done()
        await kafka.acknowledge(PARTITION)
    assert await closing == 0
    assert [batch.error for batch in batches] == [None, None]


async def test_close_gives_up_what_is_late(
    kafka: FakeKafkaProducer, client: ProducerClient, in_flight: InFlight
) -> None:
    """Each waiting caller gets the error, and nothing is left in flight."""
    in_flight.add([SIZE, SIZE - 5 + 1_500])
    batches = [append(client, size=size) for size in (5, 1_500)]
    await kafka.settle()
    assert await client.stop(0.01) == 2
    await kafka.settle()
    assert isinstance(batches[0].error, ProducerClosed)
    assert "not sent" in str(batches[1].error)
    in_flight.add([SIZE] * 3)


async def test_failure_that_nobody_waits_for_is_not_reported(kafka: FakeKafkaProducer, client: ProducerClient) -> None:
    """Abandoned sends are logged in one line elsewhere."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    append(client)
    await kafka.settle()
    await kafka.fail(PARTITION, KafkaConnectionError("gone"))
    gc.collect()
    assert reported == []


@pytest.fixture
async def batch() -> RecordBatch:
    """A batch that is not answered yet."""
    return RecordBatch(BatchBuilder(BATCH_BYTES, 0))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_answer_wakes_all(batch: RecordBatch) -> None:
    """A caller that was cancelled meanwhile changes nothing."""
    waiters = [batch.wait(now() + 60) for _ in range(3)]
    waiters[1].cancel()
    batch.answer(ACK)
    async with asyncio.timeout(PATIENCE):
        await waiters[0]
        await waiters[2]


async def test_each_call_waits_until_its_own_end(batch: RecordBatch) -> None:
    """One after the other, and the batch itself stays open."""
    soon, later, last = (batch.wait(now() + seconds) for seconds in (0.01, 0.05, 60))
    await soon
    assert not later.done()
    await later
    assert not last.done()
    assert not batch.is_answered
    batch.answer(None, ConnectionError())
    await last
