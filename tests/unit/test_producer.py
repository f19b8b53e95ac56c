"""A producer over clients that are told what becomes of their batches."""

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from contextvars import ContextVar
from itertools import chain

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.structs import PartitionMetadata, RecordMetadata, TopicPartition

from adapters.in_flight import InFlight
from adapters.kafka import producer as producer_module
from adapters.kafka.connection import Brokers
from adapters.kafka.pending import Pending
from adapters.kafka.producer import Producer
from adapters.kafka.record_batches import Outgoing, RecordBatches
from adapters.kafka.refusals import InvalidRecordError
from application.ports import Receipt
from domain.errors import Unavailable
from tests.support.waiting import eventually

TOPIC = "events"
DEADLINE = 0.05
FIRST, SECOND = Outgoing(b"0", b"{", ()), Outgoing(b"1", b"{", ())
"""In two partitions."""
request = ContextVar("request", default="")


class Client:
    """Stands for a `SendingClient`; nothing of it is sent."""

    made: list["Client"]
    batch_bytes = 1_000
    throttled_until = float("-inf")

    def __init__(self, _brokers: Brokers, max_record_bytes: int, _batch_bytes: int, in_flight: InFlight) -> None:
        self.kafka = AIOKafkaProducer(max_batch_size=self.batch_bytes, enable_idempotence=True)
        partitions = {number: PartitionMetadata(TOPIC, number, 1, [1], [1], None) for number in range(2)}
        self.kafka.client.cluster._partitions[TOPIC] = partitions
        # It was not started: there is nothing to stop.
        self.kafka._closed = True
        self.batches = RecordBatches(self.kafka, max_record_bytes, in_flight)
        self.late: set[Pending] = set()
        self.request = ""
        self.made.append(self)

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    async def start(self, topics: Collection[str]) -> None:
        """Be there at once."""
        self.request = request.get()

    async def stop(self, _limit: float) -> int:
        return 0

    def acknowledge(self, record: Outgoing) -> None:
        """Let the first batch of a record's partition be acknowledged, its first record at offset 0."""
        self.appended(record).popleft().done(0, -1, 0)

    def fail(self, record: Outgoing, error: Exception) -> None:
        """Let the first batch of a record's partition fail."""
        self.appended(record).popleft().failure(error)

    def appended(self, record: Outgoing) -> deque[MessageBatch]:
        """The batches of a record's partition."""
        batches: deque[MessageBatch] = self.kafka._message_accumulator._batches[
            self.batches._partition(TOPIC, record.key)
        ]
        return batches


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Those that were made, in order."""
    monkeypatch.setattr(producer_module, "SendingClient", Client)
    monkeypatch.setattr(producer_module, "_RENEWAL_PAUSE_SECONDS", 0.0)
    Client.made = []
    return Client.made


async def opened(clients: list[Client]) -> Producer:
    """A producer with its first client."""
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=DEADLINE, drain_limit=0)
    await producer.open()

    async def is_connected() -> bool:
        return producer._current is not None

    await eventually(is_connected, "a client")
    return producer


async def is_replaced_eventually(producer: Producer, first: Client) -> None:
    async def is_replaced() -> bool:
        return producer._current is not first  # type: ignore[comparison-overlap]

    await eventually(is_replaced, "another client")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """A broker that clients are connected to from when this is set."""
    is_up = asyncio.Event()
    start = Client.start

    async def start_late(self: Client, topics: Collection[str]) -> None:
        await is_up.wait()
        await start(self, topics)

    monkeypatch.setattr(Client, "start", start_late)
    return is_up


async def test_send_waits_for_the_first_connection(clients: list[Client], broker: asyncio.Event) -> None:
    """A process takes events from its first second on; those of a user stay in order."""
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=30.0, drain_limit=0)
    await producer.open()
    sending = [asyncio.create_task(producer.send(TOPIC, [FIRST])) for _ in range(2)]
    await asyncio.sleep(0)
    broker.set()

    async def are_appended() -> bool:
        return bool(clients) and sum(batch.record_count for batch in clients[0].appended(FIRST)) == len(sending)

    await eventually(are_appended, "the records of both calls")
    clients[0].acknowledge(FIRST)
    assert [*chain.from_iterable(await asyncio.gather(*sending))] == [Receipt(0, 0), Receipt(0, 1)]


async def test_send_waits_for_the_first_connection_until_its_deadline(
    clients: list[Client], broker: asyncio.Event
) -> None:
    """Then the outcome says why, and readiness said so meanwhile."""
    began = asyncio.get_running_loop().time()
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=DEADLINE, drain_limit=0)
    await producer.open()
    sending = asyncio.create_task(producer.send(TOPIC, [FIRST, SECOND]))
    with pytest.raises(Unavailable, match="not connected yet"):
        await producer.ping(TOPIC)
    assert [str(outcome) for outcome in await sending] == ["kafka: producer: not connected yet"] * 2
    assert asyncio.get_running_loop().time() - began >= DEADLINE
    await producer.close()


async def test_end_of_the_producer_ends_the_wait_for_its_connection(
    clients: list[Client], broker: asyncio.Event
) -> None:
    """However long the deadline is."""
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=3_600.0, drain_limit=0)
    await producer.open()
    sending = asyncio.create_task(producer.send(TOPIC, [FIRST]))
    await asyncio.sleep(0)
    await producer.close()
    [outcome] = await sending
    assert isinstance(outcome, Unavailable)


async def test_little_time_left_after_the_wait_replaces_no_client(clients: list[Client], broker: asyncio.Event) -> None:
    """Its acknowledgement had not the time that others have."""
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=DEADLINE, drain_limit=0)
    await producer.open()
    sending = asyncio.create_task(producer.send(TOPIC, [FIRST]))
    await asyncio.sleep(0)
    broker.set()
    [outcome] = await sending
    assert "no acknowledgement within" in str(outcome)
    assert producer._renewal is not None
    assert producer._renewal.done()


async def test_refused_batch_replaces_the_client(clients: list[Client]) -> None:
    """Not in the context of the request that met it, whose id the lines would bear."""
    producer = await opened(clients)
    request.set("the one that failed")
    sending = asyncio.create_task(producer.send(TOPIC, [FIRST]))
    await asyncio.sleep(0)
    clients[0].fail(FIRST, InvalidRecordError())
    await sending
    await is_replaced_eventually(producer, clients[0])
    assert [client.request for client in clients] == ["", ""]


async def test_refused_batch_replaces_the_client_while_another_is_late_under_a_throttle(clients: list[Client]) -> None:
    """Even where every later call brings another late one."""
    producer = await opened(clients)
    clients[0].throttled_until = clients[0].time() + 3_600
    sending = asyncio.create_task(producer.send(TOPIC, [FIRST, SECOND]))
    await asyncio.sleep(0)
    clients[0].fail(FIRST, InvalidRecordError())
    await sending
    for _ in range(3):
        if producer._current is not clients[0]:  # type: ignore[comparison-overlap]
            break
        for batch in list(clients[0].late):
            batch.word.set_result(RecordMetadata(TOPIC, 1, TopicPartition(TOPIC, 1), 0, 0, 0, 0))
        clients[0].kafka._message_accumulator._batches.clear()
        await asyncio.sleep(0)
        await producer.send(TOPIC, [FIRST, SECOND])
    await is_replaced_eventually(producer, clients[0])


async def test_client_with_only_late_batches_under_a_throttle_stays(clients: list[Client]) -> None:
    """It is slow, and nothing else."""
    producer = await opened(clients)
    clients[0].throttled_until = clients[0].time() + 3_600
    await producer.send(TOPIC, [FIRST, SECOND])
    assert producer._renewal is not None
    assert producer._renewal.done()
    assert len(clients[0].late) == 2


async def test_ping_connects_after_an_unexpected_error(clients: list[Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """A balancer sends no request to an instance that is not ready."""
    start = Client.start

    async def fail(self: Client, topics: Collection[str]) -> None:
        monkeypatch.setattr(Client, "start", start)
        raise ValueError("unexpected")

    monkeypatch.setattr(Client, "start", fail)
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=DEADLINE, drain_limit=0)
    await producer.open()

    async def is_connected() -> bool:
        if producer._current is None:
            with suppress(Unavailable):
                await producer.ping(TOPIC)
        return producer._current is not None

    await eventually(is_connected, "a client")


async def test_client_whose_sender_task_ended_is_replaced(clients: list[Client]) -> None:
    producer = await opened(clients)
    clients[0].kafka._message_accumulator.fail_all(KafkaError("Unexpected error during batch delivery"))
    [outcome] = await producer.send(TOPIC, [FIRST])
    assert isinstance(outcome, Unavailable)
    await is_replaced_eventually(producer, clients[0])
