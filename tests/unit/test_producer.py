"""A producer over clients that are given the results of their batches."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from contextvars import ContextVar
from itertools import chain

import pytest
from aiokafka.errors import KafkaError

from adapters.in_flight import InFlight
from adapters.kafka.connection import Brokers
from adapters.kafka.producer import Producer, ProducerRecord, PublishOutcome, client_replacement
from adapters.kafka.producer import client as client_module
from adapters.kafka.producer import producer as producer_module
from adapters.kafka.producer.client import ProducerClient
from adapters.kafka.producer.refused_sizes import RefusedSizes
from adapters.kafka.refusals import InvalidRecordError
from application.ports import Receipt
from domain.errors import Unavailable
from tests.support.kafka_producer import TOPIC, FakeKafkaProducer
from tests.support.waiting import eventually

DEADLINE = 0.05
FIRST, SECOND = ProducerRecord(b"0", b"{", ()), ProducerRecord(b"1", b"{", ())
"""In two partitions."""
request = ContextVar("request", default="")


class Client(ProducerClient):
    """Sends nothing."""

    made: list["Client"]
    throttled_until = float("-inf")

    def __init__(
        self, brokers: Brokers, max_record_bytes: int, in_flight: InFlight, sizes: RefusedSizes, batch_bytes: int
    ) -> None:
        super().__init__(brokers, max_record_bytes, in_flight, sizes, batch_bytes)
        self.kafka: FakeKafkaProducer = self._producer
        self.request = ""
        self.made.append(self)

    async def start(self, topics: Collection[str]) -> None:
        """Be there at once."""
        self.request = request.get()

    async def stop(self, _limit: float) -> int:
        return 0

    async def acknowledge(self, record: ProducerRecord) -> None:
        """Acknowledge the batch of a record's partition that is on its way, its first record at offset 0."""
        await self.kafka.acknowledge(self.partition(record))

    async def fail(self, record: ProducerRecord, error: KafkaError) -> None:
        """Let the batch of a record's partition fail that is on its way."""
        await self.kafka.fail(self.partition(record), error)

    def partition(self, record: ProducerRecord) -> int:
        """Return a record's partition."""
        return self._sender(TOPIC, record.key).number


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Those that were made, in order."""
    monkeypatch.setattr(producer_module, "ProducerClient", Client)
    monkeypatch.setattr(
        client_module,
        "AIOKafkaProducer",
        lambda **options: FakeKafkaProducer(partitions={0, 1}, led={0, 1}, batch_bytes=options["max_batch_size"]),
    )
    monkeypatch.setattr(client_replacement, "_REPLACE_PAUSE_SECONDS", 0.0)
    Client.made = []
    return Client.made


async def opened(clients: list[Client]) -> Producer:
    """A producer with its first client."""
    producer = Producer(Brokers(""), max_record_bytes=1_000, deadline=DEADLINE, drain_limit=0)
    await producer.open()

    async def is_connected() -> bool:
        return producer._clients.current is not None

    await eventually(is_connected, "a client")
    return producer


async def begun(producer: Producer, client: Client, *records: ProducerRecord) -> asyncio.Task[list[PublishOutcome]]:
    """A send whose records are on their way."""
    sending = asyncio.create_task(producer.send(TOPIC, records))
    await client.kafka.settle()
    return sending


def is_being_replaced(producer: Producer) -> bool:
    """Return whether another client is being connected."""
    return producer._clients._replacing is not None and not producer._clients._replacing.done()


async def is_replaced_eventually(producer: Producer, first: Client) -> None:
    async def is_replaced() -> bool:
        return producer._clients.current is not first

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

    async def are_sent() -> bool:
        return bool(clients) and sum(clients[0].kafka.counts(clients[0].partition(FIRST))) == len(sending)

    await eventually(are_sent, "the records of both calls")
    await clients[0].acknowledge(FIRST)
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
    assert not is_being_replaced(producer)


async def test_refused_batch_replaces_the_client(clients: list[Client]) -> None:
    """Not in the context of the request that met it, whose id the lines would bear."""
    producer = await opened(clients)
    request.set("the one that failed")
    sending = await begun(producer, clients[0], FIRST)
    await clients[0].fail(FIRST, InvalidRecordError())
    await sending
    await is_replaced_eventually(producer, clients[0])
    assert [client.request for client in clients] == ["", ""]


async def test_refused_batch_replaces_the_client_while_another_is_late_under_a_throttle(clients: list[Client]) -> None:
    """Even where every later call brings another late one."""
    producer = await opened(clients)
    clients[0].throttled_until = asyncio.get_running_loop().time() + 3_600
    sending = await begun(producer, clients[0], FIRST, SECOND)
    await clients[0].fail(FIRST, InvalidRecordError())
    await sending
    for _ in range(3):
        if producer._clients.current is not clients[0]:
            break
        if clients[0].late:
            await clients[0].acknowledge(SECOND)
        await producer.send(TOPIC, [FIRST, SECOND])
    await is_replaced_eventually(producer, clients[0])


async def test_client_with_only_late_batches_under_a_throttle_stays(clients: list[Client]) -> None:
    """It is slow, and nothing else."""
    producer = await opened(clients)
    clients[0].throttled_until = asyncio.get_running_loop().time() + 3_600
    await producer.send(TOPIC, [FIRST, SECOND])
    assert not is_being_replaced(producer)
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
        if producer._clients.current is None:
            with suppress(Unavailable):
                await producer.ping(TOPIC)
        return producer._clients.current is not None

    await eventually(is_connected, "a client")


async def test_client_whose_sender_task_ended_is_replaced(clients: list[Client]) -> None:
    producer = await opened(clients)
    clients[0].kafka.error = KafkaError("Unexpected error during batch delivery")
    [outcome] = await producer.send(TOPIC, [FIRST])
    assert isinstance(outcome, Unavailable)
    await is_replaced_eventually(producer, clients[0])


async def test_cancelled_caller_leaves_the_others_waiting(clients: list[Client]) -> None:
    """Its record is on its way all the same."""
    producer = await opened(clients)
    first, second = await begun(producer, clients[0], FIRST), await begun(producer, clients[0], FIRST)
    third = await begun(producer, clients[0], FIRST)
    for sending in (first, second):
        sending.cancel()
    await clients[0].acknowledge(FIRST)
    await clients[0].acknowledge(FIRST)
    assert await third == [Receipt(0, 1)]
    assert clients[0].kafka.counts(clients[0].partition(FIRST)) == [1, 2]


async def test_calls_records_in_a_partition_are_not_interleaved(clients: list[Client]) -> None:
    """Also where they fill more than one batch."""
    producer = await opened(clients)
    large = ProducerRecord(b"0", b"x" * 400, ())
    sendings = [await begun(producer, clients[0], *[large] * 3) for _ in range(2)]
    for offset in (0, 2, 4):
        await clients[0].kafka.acknowledge(clients[0].partition(large), offset)
    assert [await sending for sending in sendings] == [[Receipt(0, at + n) for n in range(3)] for at in (0, 3)]
