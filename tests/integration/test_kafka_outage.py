"""A broker that is down or does not answer: 503 with the id to retry with, and recovery without help."""

import asyncio
from uuid import UUID

import httpx
import pytest

from tests.support.events import an_event
from tests.support.load import load
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.waiting import eventually
from tests.support.world import World, as_records
from tools.kafka import KafkaCluster

CUTS = 25
EVENT = {"userId": "user-1", "eventType": "LOGIN"}


@pytest.fixture
def world(fragile_world: World) -> World:
    """A world whose broker can fail."""
    return fragile_world


async def post(api: Service, **fields: object) -> httpx.Response:
    """Post an event."""
    return await api.client.post("/events/generate", json=EVENT | fields)


def id_to_retry(answer: httpx.Response) -> str:
    """Check that an answer asks for a retry, and return with which id."""
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    return str(UUID(answer.json()["eventId"]))


async def test_processes_that_start_without_kafka_recover_by_themselves(world: World, kafka_proxy: Proxy) -> None:
    """Until then both are alive and not ready, and the api answers 503; the retry with the same id is stored once."""
    await kafka_proxy.refuse()
    api, consumer = await asyncio.gather(world.start("api", PUBLISH_TIMEOUT_SECONDS="1"), world.start("consumer"))
    for process in (api, consumer):
        await process.not_ready()
        assert (await process.client.get("/health")).json() == {"status": "UP"}
    event_id = id_to_retry(await post(api))
    await kafka_proxy.accept()
    await asyncio.gather(api.ready(), consumer.ready())
    assert (await post(api, eventId=event_id)).status_code == 201
    await world.stored([UUID(event_id)])


async def test_event_waits_for_a_broker_that_comes_late(world: World, kafka_proxy: Proxy) -> None:
    """Its client gets a 201 and not a 503, and readiness says meanwhile that the api is not ready."""
    await kafka_proxy.refuse()
    api = await world.start("api", PUBLISH_TIMEOUT_SECONDS="60", SHUTDOWN_GRACE_SECONDS="75")
    await api.not_ready()
    posting = asyncio.create_task(post(api))
    await api.not_ready()
    assert not posting.done()
    await kafka_proxy.accept()
    assert (await posting).status_code == 201
    await api.ready()
    assert len(await world.records()) == 1


async def test_an_event_without_an_answer_from_kafka_may_be_sent_again(world: World, kafka_proxy: Proxy) -> None:
    """The first attempt arrives after all, the second too, and one row is stored."""
    api = await world.run("api", PUBLISH_TIMEOUT_SECONDS="1")
    produce = kafka_proxy.hold("Produce")
    event_id = id_to_retry(await post(api))
    produce.release()

    async def is_accepted() -> bool:
        return (await post(api, eventId=event_id)).status_code == 201

    await eventually(is_accepted, "accepted")
    await world.run("consumer")
    await world.stored([UUID(event_id)])
    assert len(await world.records()) > 1
    assert await world.letters() == []


async def test_events_of_a_batch_without_an_answer_from_kafka_may_be_sent_again(
    world: World, kafka_proxy: Proxy
) -> None:
    """The invalid one is reported as such; the others arrive twice, and are stored once."""
    api = await world.run("api", PUBLISH_TIMEOUT_SECONDS="1")
    produce = kafka_proxy.hold("Produce")
    answer = await api.client.post("/events/batch", json=[EVENT, EVENT | {"userId": ""}, EVENT])
    results = answer.json()["results"]
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (200, True)
    assert [result["status"] for result in results] == ["retry", "rejected", "retry"]
    produce.release()
    again = [EVENT | {"eventId": results[place]["eventId"]} for place in (0, 2)]

    async def is_published() -> bool:
        answer = await api.client.post("/events/batch", json=again)
        return [result["status"] for result in answer.json()["results"]] == ["published", "published"]

    await eventually(is_published, "published")
    await world.run("consumer")
    await world.stored([UUID(event["eventId"]) for event in again])
    assert await world.letters() == []


async def test_a_network_that_swallows_everything_is_got_over(world: World, kafka_proxy: Proxy) -> None:
    """No request hangs for longer than the publish timeout, and afterwards all goes on."""
    api, consumer = await asyncio.gather(world.run("api", PUBLISH_TIMEOUT_SECONDS="1"), world.run("consumer"))
    async with load(api) as posted:
        await posted.more(50)
        kafka_proxy.blackhole()
        await asyncio.gather(api.not_ready(), consumer.not_ready())
        posted.unknown.add(UUID(id_to_retry(await post(api))))
        kafka_proxy.heal()
        await posted.more(50)
    await world.stored(posted.accepted, perhaps=posted.unknown)
    await asyncio.gather(api.ready(), consumer.ready())
    assert await world.letters() == []


async def test_a_broker_that_is_killed_under_load_costs_no_accepted_event(
    world: World, proxied_cluster: KafkaCluster
) -> None:
    """Both processes are not ready meanwhile and ready again afterwards."""
    api, consumer = await asyncio.gather(world.run("api", PUBLISH_TIMEOUT_SECONDS="2"), world.run("consumer"))
    async with load(api) as posted:
        await posted.more(50)
        proxied_cluster.kill(1)
        await asyncio.gather(api.not_ready(), consumer.not_ready())

        async def is_said_why() -> bool:
            return proxied_cluster.bootstrap in (await consumer.parts()).get("event_log", {}).get("detail", "")

        await eventually(is_said_why, "the consumer says which broker it cannot reach")
        await asyncio.to_thread(proxied_cluster.restart, 1)
        await posted.more(50)
    await world.stored(posted.accepted, perhaps=posted.unknown)
    await asyncio.gather(api.ready(), consumer.ready())
    assert await world.letters() == []


async def test_connections_that_break_again_and_again_cost_neither_event_nor_process(
    world: World, kafka_proxy: Proxy
) -> None:
    """Whatever the clients are about when it happens, they connect anew."""
    api, consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    async with load(api) as posted:
        for _ in range(CUTS):
            await posted.more(5)
            await kafka_proxy.cut()
    await world.stored(posted.accepted, perhaps=posted.unknown)
    await asyncio.gather(api.ready(), consumer.ready())
    assert await world.letters() == []
    for process in (api, consumer):
        assert await process.terminate() == 0


async def test_offsets_that_cannot_be_committed_are_committed_later(world: World, kafka_proxy: Proxy) -> None:
    """A cut connection between storing and committing costs neither an event nor the process."""
    event = an_event()
    consumer = await world.run("consumer")
    commit = kafka_proxy.hold("OffsetCommit")
    await world.send(*as_records([event]))
    await commit.arrived()
    commit.drop()
    await world.consumed(1)
    await consumer.ready()
    assert await world.ids() == {event.id}
