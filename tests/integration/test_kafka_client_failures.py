"""The Kafka client fails in ways of its own: it is replaced, and nothing of it is left behind."""

import asyncio
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer import membership
from adapters.kafka.consumer.event_source import KafkaEventSource
from adapters.kafka.producer import Producer, ProducerRecord, client_replacement
from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from tests.contracts.harness import ends, flat
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.proxy import Proxy
from tests.support.records import NewRecord, Topics
from tests.support.waiting import PATIENCE, eventually
from tools.kafka import KafkaCluster


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_consumer_whose_fetching_ended_is_made_anew(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats go on without it, so nobody else would notice that the partition is not read."""
    monkeypatch.setattr(membership, "_SILENCE_SECONDS", 0.5)
    topic = await kafka.new_topic()
    source = KafkaEventSource(Brokers(kafka.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6)
    source.subscribe(Witness())
    read: list[bytes | None] = []

    async def poll() -> None:
        if polled := await source.poll(100, 0.1):
            read.extend(record.value for record in flat(polled))
            await source.commit(ends(polled))

    try:
        await _send(kafka, topic, b"before")
        async with asyncio.timeout(PATIENCE):
            while read != [b"before"]:
                await poll()
            assert source._member is not None
            source._member.consumer._fetcher._fetch_task.cancel()
            await _send(kafka, topic, b"behind")
            while read != [b"before", b"behind"]:
                await poll()
    finally:
        await source.close()


async def test_a_member_that_waits_for_its_listener_stays_in_the_group(
    proxied_cluster: KafkaCluster, kafka_proxy: Proxy
) -> None:
    """The client leaves the group when nobody asks it for records, and a database may be down for hours."""
    topics = Topics(proxied_cluster.bootstrap)
    topic = f"waiting-{uuid4().hex}"
    await topics.make(topic)
    await topics.send(topic, [NewRecord(b"1"), NewRecord(b"2")])
    listener = Witness()
    source = KafkaEventSource(
        Brokers(proxied_cluster.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6
    )
    source.subscribe(listener)
    source._options["max_poll_interval_ms"] = 1_500
    # Where the group has no position yet the client fails once, and then never leaves.
    await _read_one(source)
    listener.error = Unavailable("database: down")
    refusals, left = 0, kafka_proxy.seen["LeaveGroup"]
    try:
        async with asyncio.timeout(PATIENCE):
            # Each refused poll lasts 0.1 s at least here, so that all of them last several times the interval.
            while refusals < 25:
                try:
                    await source.poll(10, 0.1)
                except Unavailable:
                    refusals += 1
                    await asyncio.sleep(0.1)
            assert kafka_proxy.seen["LeaveGroup"] == left
            listener.error = None
        assert await _read_one(source) == b"2"
    finally:
        await source.close()


async def test_a_member_whose_partitions_are_all_paused_stays_in_the_group(
    proxied_cluster: KafkaCluster, kafka_proxy: Proxy
) -> None:
    """As above: a database may be down for hours while records wait in the queues."""
    topics = Topics(proxied_cluster.bootstrap)
    topic = f"paused-{uuid4().hex}"
    await topics.make(topic)
    await topics.send(topic, [NewRecord(b"1"), NewRecord(b"2")])
    source = KafkaEventSource(
        Brokers(proxied_cluster.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6
    )
    source.subscribe(Witness())
    source._options["max_poll_interval_ms"] = 1_500
    # Where the group has no position yet the client fails once, and then never leaves.
    await _read_one(source)
    left = kafka_proxy.seen["LeaveGroup"]
    try:
        for _ in range(40):
            assert not await source.poll(10, 0.1, paused=[0])
        assert kafka_proxy.seen["LeaveGroup"] == left
        assert await _read_one(source) == b"2"
    finally:
        await source.close()


async def test_a_producer_that_cannot_flush_leaves_nothing_open(
    proxied_cluster: KafkaCluster, kafka_proxy: Proxy
) -> None:
    """Neither a task nor a connection: a leader may be away for hours, and producers are replaced meanwhile."""
    topics = Topics(proxied_cluster.bootstrap)
    await topics.make("unflushed", partitions=1)
    tasks, sockets = len(asyncio.all_tasks()), _open_sockets()
    producer = Producer(Brokers(proxied_cluster.bootstrap), max_record_bytes=10_000, deadline=0.5, drain_limit=0.5)
    await producer.open()

    async def is_connected() -> bool:
        try:
            await producer.ping("unflushed")
        except Unavailable:
            return False
        return True

    await eventually(is_connected, "a connected producer")
    kafka_proxy.blackhole()

    [outcome] = await producer.send("unflushed", [ProducerRecord(b"key", b"value", ())])
    await producer.close()

    assert isinstance(outcome, Unavailable)
    kafka_proxy.heal()
    await kafka_proxy.cut()

    async def nothing_is_left() -> bool:
        return len(asyncio.all_tasks()) <= tasks and _open_sockets() <= sockets

    await eventually(nothing_is_left, "no task and no socket")


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
async def test_a_consumer_that_cannot_leave_in_order_leaves_nothing_open(
    proxied_cluster: KafkaCluster, kafka_proxy: Proxy, fault: str
) -> None:
    """Neither a task nor a connection, and its end does not cancel its caller."""
    topics = Topics(proxied_cluster.bootstrap)
    topic = f"left-{uuid4().hex}"
    await topics.make(topic)
    tasks, sockets = len(asyncio.all_tasks()), _open_sockets()
    source = KafkaEventSource(
        Brokers(proxied_cluster.bootstrap), topic=topic, group=topic, assignor="range", session_timeout=6
    )
    source.subscribe(Witness())

    async def is_member() -> bool:
        await source.poll(1, 0.1)
        return bool(await source.lag())

    await eventually(is_member, "a member with a partition")
    if fault == "refuses":
        await kafka_proxy.refuse()
    else:
        kafka_proxy.blackhole()
    # Let its fetches fail, so that they wait for another try.
    with suppress(Unavailable):
        await source.poll(1, 0.1)

    await source.close()

    kafka_proxy.heal()
    if fault == "refuses":
        await kafka_proxy.accept()
    await kafka_proxy.cut()

    async def nothing_is_left() -> bool:
        return len(asyncio.all_tasks()) <= tasks and _open_sockets() <= sockets

    await eventually(nothing_is_left, "no task and no socket")


async def _read_one(source: KafkaEventSource) -> bytes | None:
    """Read and commit one record, and leave the group."""
    async with asyncio.timeout(PATIENCE):
        while not (polled := await source.poll(1, 0.1)):
            pass
    await source.commit(ends(polled))
    await source.close()
    return flat(polled)[0].value


async def test_next_client_knows_the_topics_before_it_takes_over(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that the client before knew unasked, since it had asked for all that there are."""
    monkeypatch.setattr(client_replacement, "_REPLACE_PAUSE_SECONDS", 0.0)
    topic = await kafka.new_topic()
    producer = Producer(Brokers(kafka.bootstrap), max_record_bytes=10_000, deadline=10, drain_limit=5)
    await producer.open()

    async def is_ready() -> bool:
        with suppress(Unavailable):
            await producer.ping(topic)
            return True
        return False

    async def is_replaced() -> bool:
        return producer._clients.current is not first

    try:
        await eventually(is_ready, "a connected producer")
        [outcome] = await producer.send(topic, [ProducerRecord(b"key", b"value", ())])
        assert isinstance(outcome, Receipt)
        first = producer._clients.current
        producer._clients.replace()
        await eventually(is_replaced, "another client")
        assert producer._clients.current is not None
        assert producer._clients.current.knows(topic)
    finally:
        await producer.close()


async def test_a_size_that_the_topic_has_refused_does_not_jam_its_partition_again(kafka: KafkaServer) -> None:
    """The client has to be replaced after the first refusal; later ones cost nobody else anything."""
    topic = f"test-{uuid4().hex}"
    await Topics(kafka.bootstrap).make(topic, max_message_bytes="100000")
    large, small = ProducerRecord(b"key", b"x" * 100_000, ()), ProducerRecord(b"key", b"small", ())
    producer = Producer(Brokers(kafka.bootstrap), max_record_bytes=200_000, deadline=10, drain_limit=5)
    await producer.open()

    async def is_refused() -> bool:
        return isinstance((await producer.send(topic, [large]))[0], Rejected)

    async def is_taken() -> bool:
        return isinstance((await producer.send(topic, [small]))[0], Receipt)

    try:
        await eventually(is_refused, "a refusal")
        await eventually(is_taken, "a producer that sends again")
        outcomes = await producer.send(topic, [large, small])
        assert [type(outcome) for outcome in outcomes] == [Rejected, Receipt]
    finally:
        await producer.close()


async def test_batch_that_the_topic_refuses_is_taken_in_smaller_ones(kafka: KafkaServer) -> None:
    """None of its records is to blame: their outcome is open, and sent again they arrive, never behind later ones."""
    topic = f"test-{uuid4().hex}"
    await Topics(kafka.bootstrap).make(topic, max_message_bytes="20000")
    # Two batches at first, of which the second would be small enough.
    records = [ProducerRecord(b"key", b"x" * 1_000, ())] * 70
    producer = Producer(Brokers(kafka.bootstrap), max_record_bytes=100_000, deadline=10, drain_limit=5)
    await producer.open()
    seen: set[type] = set()

    async def are_taken() -> bool:
        outcomes = [type(outcome) for outcome in await producer.send(topic, records)]
        seen.update(outcomes)
        lost = outcomes.index(Unavailable) if Unavailable in outcomes else len(outcomes)
        assert Receipt not in outcomes[lost:]
        return lost == len(outcomes)

    try:
        await eventually(are_taken, "batches that fit")
        assert seen == {Unavailable, Receipt}
    finally:
        await producer.close()


async def _send(kafka: KafkaServer, topic: str, value: bytes) -> None:
    producer = Producer(Brokers(kafka.bootstrap), max_record_bytes=10_000, deadline=10, drain_limit=5)
    await producer.open()
    try:
        while isinstance((await producer.send(topic, [ProducerRecord(None, value, ())]))[0], Unavailable):
            await asyncio.sleep(0.05)
    finally:
        await producer.close()


def _open_sockets() -> int:
    """Sockets of this process, by what its file descriptors point to."""
    descriptors = Path("/proc/self/fd").iterdir()
    return sum(descriptor.is_socket() for descriptor in descriptors)
