"""Others write the same ids, or the table has a rule of its own: duplicates are absorbed, refusals are parked."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from aiokafka.structs import ConsumerRecord

from tests.faults.evidence import event_id_of
from tests.faults.history import Event, History, Outcome
from tests.faults.invariants import PROMISES
from tests.faults.stage import Stage
from tests.support.postgres import connect
from tests.support.records import NewRecord
from tests.support.waiting import eventually

_BATCH = 500
_VIOLATORS = 12
_PARTITIONS = 4
_FOREIGN_INSERT = """
    INSERT INTO events (id, user_id, event_type, payload, occurred_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5::text::timestamptz)
"""
_WAITING = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_SECOND_KEY = "CREATE UNIQUE INDEX events_second_key ON events (user_id, occurred_at)"
_REFUSAL = 'duplicate key value violates unique constraint "events_second_key"'


@pytest.mark.quick
async def test_20_foreign_writer_deadlocks_with_us(stage: Stage) -> None:
    """It takes ids in another order; PostgreSQL sacrifices our batch, which is held and stored a little later."""
    # One partition, so that it is known which records come next.
    await stage.make_topic()
    consumer = await stage.run("consumer")
    foreigner = await connect(stage.database)
    # It is more patient than we are, so that it is us who find the deadlock.
    await foreigner.execute("SET deadlock_timeout = '60s'")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        begin = stage.db.hold("BEGIN")
        await begin.arrived()
        stage.struck_in_flight(load, "ids taken in another order")
        low, high = sorted(await _next_two(stage, load.history), key=lambda event: event.id)
        async with foreigner.transaction():
            await foreigner.execute(_FOREIGN_INSERT, *_row(high))
            begin.release()
            await _waiting(stage, 1)
            await foreigner.execute(_FOREIGN_INSERT, *_row(low))
        stage.healed()
        await load.acknowledged(stage.events)
    await foreigner.close()
    seen = await stage.prove(load)
    stage.struck("deadlocks", await _deadlocks(stage))
    stage.struck("batches held", len(consumer.lines("holding")))
    assert seen.letters == []


async def test_20_two_of_our_consumers_never_deadlock(stage: Stage) -> None:
    """They read the same ids in opposite orders, and begin to write them at the same moment."""
    await stage.make_topic()
    mirror = f"{stage.topic}-mirror"
    await stage.topics.make(mirror)
    async with stage.kafka_load(most=stage.events) as load:
        await load.acknowledged(stage.events)
    await stage.topics.send(mirror, _mirrored(await stage.records()))
    patience = {"BATCH_SIZE": str(_BATCH), "DB_LOCK_TIMEOUT_SECONDS": "9"}
    locker = await connect(stage.database)
    async with locker.transaction():
        await locker.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        consumers = await asyncio.gather(
            stage.run("consumer", **patience),
            stage.run("consumer", **patience, KAFKA_TOPIC=mirror, KAFKA_CONSUMER_GROUP=mirror),
        )
        await _waiting(stage, len(consumers))
        stage.struck("consumers that wait to begin", len(consumers))
    await locker.close()
    stage.healed()

    async def is_read() -> bool:
        return await stage.topics.committed(mirror, mirror) == await stage.topics.ends(mirror)

    await eventually(is_read, "the mirror read to its end", within=90)
    # The mirror turns the order of each user's events around.
    seen = await stage.prove(load, promises=set(PROMISES) - {"D"})
    stage.struck("duplicates that both found", sum(len(each.lines("event is a duplicate")) for each in consumers))
    assert await _deadlocks(stage) == 0
    assert seen.letters == []
    await stage.topics.remove(mirror)


@pytest.mark.quick
async def test_32_second_unique_index_is_violated(stage: Stage) -> None:
    """Each violator is parked as rejected, its neighbours are stored, and none passes for a duplicate."""
    await stage.query(_SECOND_KEY)
    await stage.make_topic(partitions=_PARTITIONS)
    await stage.run("consumer")
    refusals = stage.postgres.log.count(_REFUSAL)
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        stage.struck_in_flight(load, "violators sent")
        violators = await _send_violators(stage, load.history)
        stage.healed()
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("refusals by the second index", stage.postgres.log.count(_REFUSAL) - refusals)
    assert sorted(letter.event_id or UUID(int=0) for letter in seen.letters) == sorted(violators)
    assert {letter.headers["dlq.kind"] for letter in seen.letters} == {b"rejected"}


async def _next_two(stage: Stage, history: History) -> list[Event]:
    """The first two events that the group has not committed and the table does not have."""
    position = (await stage.committed())[0]
    stored = await stage.ids()
    ids = dict.fromkeys(event_id_of(record.value) for record in await stage.records() if record.offset >= position)
    return [history.events[each] for each in ids if each is not None and each not in stored][:2]


def _row(event: Event) -> tuple[UUID, str, str, str, str]:
    return event.id, event.user, event.event_type, event.payload.decode(), event.timestamp


async def _waiting(stage: Stage, count: int) -> None:
    """Return when so many sessions wait for a lock."""

    async def are_waiting() -> bool:
        return len(await stage.query(_WAITING)) == count

    await eventually(are_waiting, f"{count} sessions that wait")


async def _deadlocks(stage: Stage) -> int:
    ((deadlocks,),) = await stage.query(_DEADLOCKS)
    return int(deadlocks)


def _mirrored(records: Sequence[ConsumerRecord]) -> list[NewRecord]:
    """The same records, those of each batch in the opposite order."""
    batches = (records[start : start + _BATCH] for start in range(0, len(records), _BATCH))
    return [NewRecord(each.value, each.key, each.headers) for batch in batches for each in reversed(batch)]


async def _send_violators(stage: Stage, history: History) -> list[UUID]:
    """Send events with ids of their own that share user and time with stored ones; clients count them as sent."""
    rows = await stage.query("SELECT id FROM events LIMIT $1", _VIOLATORS)
    violators = [replace(history.events[row["id"]], id=uuid4(), first_sent=time.time()) for row in rows]
    await stage.send(
        *(
            NewRecord(each.record(), each.user.encode(), partition=place % _PARTITIONS)
            for place, each in enumerate(violators)
        )
    )
    for each in violators:
        each.outcome, each.acked = Outcome.OK, time.time()
        history.events[each.id] = each
    history.acknowledged += len(violators)
    return [each.id for each in violators]
