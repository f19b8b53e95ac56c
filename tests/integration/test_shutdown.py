"""SIGTERM and SIGINT: both processes finish what they have begun and exit with 0 within the grace period."""

import asyncio
import json
import signal
import time
from signal import SIGINT, SIGTERM
from uuid import UUID

import pytest

from adapters.postgres.schema.migrate import LOCK
from tests.support.events import an_event
from tests.support.framing import postgres_messages
from tests.support.load import load
from tests.support.postgres import connect
from tests.support.proxy import Proxy, proxied
from tests.support.server import connection, read_head
from tests.support.waiting import eventually
from tests.support.world import World, as_records

EVENT = {"userId": "user-1", "eventType": "LOGIN"}
GRACE_SECONDS = 25
"""The default."""
AT_ONCE_SECONDS = 30
"""Well within the grace period of `LONG_GRACE`, for processes that have nothing to wait for."""
LONG_GRACE = {"SHUTDOWN_GRACE_SECONDS": "75"}


@pytest.mark.parametrize("signals", [[SIGTERM], [SIGINT, SIGINT, SIGTERM]], ids=["once", "again and again"])
async def test_signalled_under_load_both_end_in_order_and_lose_nothing(
    world: World, signals: list[signal.Signals]
) -> None:
    """Each event that was answered with 201 is in the table once a consumer has run again."""
    processes = await asyncio.gather(world.run("api", **LONG_GRACE), world.run("consumer", **LONG_GRACE))
    async with load(processes[0]) as posted:
        await posted.more(200)
        began = time.monotonic()
        for number in signals:
            for process in processes:
                process.signal(number)
        assert await asyncio.gather(*(process.ended() for process in processes)) == [0, 0]
        assert time.monotonic() - began < AT_ONCE_SECONDS
    assert all(process.lines("stopped") for process in processes)
    await world.run("consumer")
    await world.stored(posted.accepted, perhaps=posted.unknown)
    assert await world.letters() == []


async def test_a_request_that_has_begun_is_answered(world: World) -> None:
    """Its body may come after the signal and slowly; new connections are refused by then."""
    api = await world.run("api")
    body = json.dumps({"userId": "user-1", "eventType": "LOGIN"}).encode()
    head = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
    async with connection(api.port) as (reader, writer):
        writer.write(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert (await read_head(reader))[0] == 100
        api.signal(SIGTERM)
        await api.refuses()
        for begin in range(0, len(body), 10):
            writer.write(body[begin : begin + 10])
            await asyncio.sleep(0.1)
        status, _headers = await read_head(reader)
        assert status == 201
        answer = json.loads(await reader.read())
    assert await api.ended() == 0
    await world.run("consumer")
    await world.stored([UUID(answer["eventId"])])


async def test_a_batch_that_has_begun_is_stored_and_committed(world: World) -> None:
    """The signal comes while the database has not yet confirmed it."""
    events = [an_event() for _ in range(10)]
    async with proxied(world.database.port, postgres_messages) as proxy:
        consumer = await world.run("consumer", DB_PORT=str(proxy.port))
        commit = proxy.hold("CopyDone")
        await world.send(*as_records(events))
        await commit.arrived()
        consumer.signal(SIGTERM)
        await consumer.logged("stopping")
        commit.release()
        assert await consumer.ended() == 0
    assert await world.ids() == {event.id for event in events}
    assert sum((await world.committed()).values()) == len(events)


async def test_a_batch_in_an_outage_is_left_to_the_next_consumer(world: World) -> None:
    """A stop does not wait for the database to come back."""
    event = an_event()
    async with proxied(world.database.port, postgres_messages) as proxy:
        consumer = await world.run("consumer", DB_PORT=str(proxy.port))
        await proxy.refuse()
        await world.send(*as_records([event]))
        await consumer.logged("partition paused: dependency unavailable")
        assert await consumer.terminate() == 0
    assert await world.committed() == {}
    await world.run("consumer")
    await world.stored([event.id])


async def test_a_database_that_hangs_is_given_up_within_the_grace_period(world: World) -> None:
    """The limits of a batch fit into it, so that even this end is one in order; nothing is committed."""
    limits = {"DB_STATEMENT_TIMEOUT_SECONDS": "2", "DB_LOCK_TIMEOUT_SECONDS": "1"}
    async with proxied(world.database.port, postgres_messages) as proxy:
        consumer = await world.run("consumer", DB_PORT=str(proxy.port), **limits)
        commit = proxy.hold("CopyDone")
        await world.send(*as_records([an_event()]))
        await commit.arrived()
        assert await consumer.terminate() == 0
    assert await world.committed() == {}


async def test_sessions_of_a_database_that_hangs_do_not_delay_the_end(world: World) -> None:
    """They are not waited for in vain, idle as they are."""
    async with proxied(world.database.port, postgres_messages) as proxy:
        settings = {"DB_PORT": str(proxy.port), **LONG_GRACE}
        processes = await asyncio.gather(world.run("api", **settings), world.run("consumer", **settings))
        proxy.blackhole()
        began = time.monotonic()
        assert await asyncio.gather(*(process.terminate() for process in processes)) == [0, 0]
        assert time.monotonic() - began < AT_ONCE_SECONDS


async def test_an_api_that_kafka_does_not_answer_counts_what_is_open(fragile_world: World, kafka_proxy: Proxy) -> None:
    """Each request is answered 503, and the last line counts the records whose outcome nobody knows."""
    api = await fragile_world.run("api", PUBLISH_TIMEOUT_SECONDS="3", SHUTDOWN_GRACE_SECONDS="26")
    await api.client.post("/events/generate", json=EVENT)
    kafka_proxy.answers.block()
    posts = [asyncio.create_task(api.client.post("/events/generate", json=EVENT)) for _ in range(3)]
    await eventually(lambda: has_withheld(kafka_proxy), "an answer kept back")
    began = time.monotonic()
    assert await api.terminate() == 0
    assert time.monotonic() - began < 26
    assert [(await post).status_code for post in posts] == [503] * 3
    assert [line["unacknowledged"] for line in api.lines("the producer was closed")] == [3]


async def test_a_consumer_that_kafka_does_not_answer_counts_what_is_open(
    fragile_world: World, kafka_proxy: Proxy
) -> None:
    """What is stored but could not be committed is unfinished, and a duplicate for the next consumer."""
    events = [an_event() for _ in range(10)]
    consumer = await fragile_world.run("consumer")
    commit = kafka_proxy.hold("OffsetCommit")
    await fragile_world.send(*as_records(events))
    await commit.arrived()
    kafka_proxy.blackhole()
    began = time.monotonic()
    assert await consumer.terminate() == 0
    assert time.monotonic() - began < GRACE_SECONDS
    (line,) = consumer.lines("drained")
    assert line["committed"] + line["unfinished"] == len(events)
    assert line["unfinished"] > 0
    kafka_proxy.heal()
    assert await fragile_world.ids() == {event.id for event in events}


async def test_a_consumer_that_neither_kafka_nor_the_database_answers_ends_in_time(
    fragile_world: World, kafka_proxy: Proxy
) -> None:
    """With the default limits, and still in order."""
    events = [an_event() for _ in range(10)]
    async with proxied(fragile_world.database.port, postgres_messages) as proxy:
        consumer = await fragile_world.run("consumer", DB_PORT=str(proxy.port))
        commit = proxy.hold("CopyDone")
        await fragile_world.send(*as_records(events))
        await commit.arrived()
        proxy.blackhole()
        kafka_proxy.blackhole()
        began = time.monotonic()
        assert await consumer.terminate() == 0
        assert time.monotonic() - began < GRACE_SECONDS
        (line,) = consumer.lines("drained")
        assert line["committed"] + line["unfinished"] == len(events)
        assert line["unfinished"] > 0
        kafka_proxy.heal()


async def has_withheld(proxy: Proxy) -> bool:
    """Whether anything arrived that was not passed on."""
    return proxy.answers.withheld > 0


async def test_a_wait_for_another_process_that_migrates_ends_at_once(world: World) -> None:
    """It may be building an index for minutes."""
    holder = await connect(world.database)
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK)
    processes = await asyncio.gather(world.start("api", **LONG_GRACE), world.start("consumer", **LONG_GRACE))
    migrating = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%migrate'"

    async def both_wait() -> bool:
        return len(await world.query(migrating)) == len(processes)

    await eventually(both_wait, "both wait for the lock")
    began = time.monotonic()
    assert await asyncio.gather(*(process.terminate() for process in processes)) == [0, 0]
    assert time.monotonic() - began < AT_ONCE_SECONDS
    await holder.close()


async def test_before_the_world_is_up_a_signal_ends_both_at_once(world: World) -> None:
    """Waiting for Kafka and the database is no reason to stay."""
    nowhere = {"KAFKA_BROKER": "127.0.0.1:9", "DB_PORT": "9"}
    processes = await asyncio.gather(world.start("api", **nowhere), world.start("consumer", **nowhere))
    await asyncio.gather(*(process.not_ready() for process in processes))
    assert await asyncio.gather(*(process.terminate() for process in processes)) == [0, 0]
