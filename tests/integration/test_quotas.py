"""Quotas of the brokers: a throttled client is slow, and nothing else."""

import asyncio
from uuid import UUID, uuid4

import pytest

from adapters.kafka.connection import Brokers
from adapters.kafka.consumer import membership
from adapters.kafka.consumer.event_source import KafkaEventSource
from tests.contracts.harness import ends, size
from tests.integration.test_watchdog import LIMITS
from tests.support.events import an_event
from tests.support.kafka import KafkaServer
from tests.support.listeners import Witness
from tests.support.quotas import quotas
from tests.support.records import NewRecord, Topics
from tests.support.waiting import eventually
from tests.support.world import World, as_records

CLIENT_ID = Brokers("").client_id
PARTITIONS = 8
CONSUMER_BYTES = 500_000
"""Per second."""
BYTES = 12_000_000
"""More than the broker hands out at once, which is the quota of ten seconds."""
PAYLOAD = b'{"filler":"%s"}' % (b"x" * 10_000)
PRODUCER_BYTES = 20_000


async def test_throttled_consumer_goes_on_at_the_quota(world: World) -> None:
    """It is neither made anew nor ended, although it waits for longer than its watchdog's limit; and it is ready."""
    events = [an_event(payload=PAYLOAD) for _ in range(BYTES // len(PAYLOAD))]
    await world.make_topic(partitions=PARTITIONS)
    await world.send(*as_records(events, partitions=PARTITIONS))
    async with quotas(world.topics.bootstrap, CLIENT_ID, consumer_byte_rate=CONSUMER_BYTES):
        consumer = await world.run("consumer", **LIMITS)
        states = set()

        async def all_are_committed() -> bool:
            states.add((await consumer.readiness())[1]["status"])
            return consumer.exit_code is not None or sum((await world.committed()).values()) == len(events)

        await eventually(all_are_committed, "all committed", within=120)
        assert consumer.exit_code is None
        assert states == {"UP"}
    assert await world.ids() == {event.id for event in events}
    assert consumer.text.count(f"Joined group '{world.group}'") == 1
    # aiokafka's, of requests that took too long.
    assert "Failed fetch messages" not in consumer.text
    assert await consumer.terminate() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_throttled_consumer_whose_fetching_ended_is_made_anew(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its throttle ends, and then its silence is one."""
    monkeypatch.setattr(membership, "_SILENCE_SECONDS", 0.5)
    topics, topic = Topics(kafka.bootstrap), await kafka.new_topic(partitions=PARTITIONS)
    records = [NewRecord(PAYLOAD, partition=number % PARTITIONS) for number in range(BYTES // len(PAYLOAD))]
    brokers = Brokers(kafka.bootstrap, client_id=f"throttled-{uuid4().hex}")
    source = KafkaEventSource(brokers, topic=topic, group=topic, assignor="range", session_timeout=6)
    source.subscribe(Witness())
    await topics.send(topic, records)
    read = 0

    async def poll() -> int:
        nonlocal read
        polled = await source.poll(1_000, 0.1)
        if polled:
            await source.commit(ends(polled))
        read += size(polled)
        return size(polled)

    try:
        async with quotas(kafka.bootstrap, brokers.client_id, consumer_byte_rate=CONSUMER_BYTES):
            async with asyncio.timeout(120):
                while not source.is_throttled:
                    await poll()
                first = source._member
                assert first is not None
                first.consumer._fetcher._fetch_task.cancel()
                while source._member is first:
                    await poll()
        async with asyncio.timeout(120):
            while read < len(records):
                await poll()
    finally:
        await source.close()


async def test_throttled_producer_answers_503_and_is_not_replaced(world: World) -> None:
    """What is above the quota is to be sent again later; the api stays ready, and publishes at the quota meanwhile."""
    await world.make_topic(partitions=PARTITIONS)
    api = await world.run("api", PUBLISH_TIMEOUT_SECONDS="2")
    accepted: set[UUID] = set()
    turned_away: set[UUID] = set()
    states = set()

    async def post(event_id: UUID) -> None:
        event = {"userId": str(event_id), "eventType": "LOGIN", "eventId": str(event_id), "payload": {"a": "x" * 9_000}}
        answer = await api.client.post("/events/generate", json=event)
        if answer.status_code == 201:
            accepted.add(event_id)
            turned_away.discard(event_id)
        else:
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            turned_away.add(event_id)

    async with quotas(world.topics.bootstrap, CLIENT_ID, producer_byte_rate=PRODUCER_BYTES):
        async with asyncio.timeout(120):
            # Longer than a producer that is renewed would stay.
            for _ in range(4):
                await asyncio.gather(*(post(uuid4()) for _ in range(60)))
                states.add((await api.readiness())[1]["status"])
        assert turned_away
        assert accepted
        assert states == {"UP"}
    async with asyncio.timeout(120):
        while turned_away:
            await asyncio.gather(*map(post, list(turned_away)))
    assert api.lines("the producer was replaced") == []
    assert {UUID(str(record.key.decode())) for record in await world.records()} >= accepted
