"""Others write the same ids at the same time."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from aiokafka.structs import ConsumerRecord

from tests.faults.evidence import event_id_of
from tests.faults.history import Event, History
from tests.faults.invariants import PROMISES
from tests.faults.stage import Stage
from tests.support.postgres import connect
from tests.support.records import NewRecord
from tests.support.waiting import eventually

_BATCH = 500
_FOREIGN_INSERT = """
    INSERT INTO events (id, user_id, event_type, payload, occurred_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5::text::timestamptz)
"""
_WAITING = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def test_20_foreign_writer_deadlocks_with_us(stage: Stage) -> None:
    """It takes ids in another order; PostgreSQL cancels our batch, which is retried and stored a little later."""
    # One partition, so that it is known which records come next.
    await stage.make_topic()
    consumer = await stage.run("consumer")
    foreigner = await connect(stage.database)
    # It is more patient than we are, so that it is us who find the deadlock.
    await foreigner.execute("SET deadlock_timeout = '60s'")
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        begin = stage.db.hold("COPY")
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
    stage.struck("batches held", len(consumer.lines("partition paused: dependency unavailable")))
    assert seen.letters == []


@pytest.mark.quick
async def test_20_two_of_our_consumers_never_deadlock(stage: Stage) -> None:
    """They read the same ids in opposite orders, and each is in the middle of a batch when the other is."""
    await stage.make_topic()
    mirror = f"{stage.topic}-mirror"
    await stage.topics.make(mirror)
    async with stage.kafka_load(most=stage.events) as load:
        await load.acknowledged(stage.events)
    records = await stage.records()
    await stage.topics.send(mirror, _mirrored(records))
    patience = {"BATCH_SIZE": str(_BATCH), "DB_LOCK_TIMEOUT_SECONDS": "9"}
    foreigner = await connect(stage.database)
    giving_up = foreigner.transaction()
    await giving_up.start()
    # A writer that does not sort writes half of the batch and waits here, one half each.
    await foreigner.execute(_FOREIGN_INSERT, *_row(load.history.events[_id_of(records[_BATCH // 2])]))
    consumers = await asyncio.gather(
        stage.run("consumer", **patience),
        stage.run("consumer", **patience, KAFKA_TOPIC=mirror, KAFKA_CONSUMER_GROUP=mirror),
    )
    await _waiting(stage, len(consumers))
    stage.struck("consumers that wait within a batch", len(consumers))
    await giving_up.rollback()
    await foreigner.close()
    stage.healed()

    async def is_read() -> bool:
        return await stage.topics.committed(mirror, mirror) == await stage.topics.ends(mirror)

    await eventually(is_read, "the mirror read to its end", within=90)
    # The mirror turns the order of each user's events around.
    seen = await stage.prove(load, promises=set(PROMISES) - {"D"})
    stage.struck("duplicates that both found", sum(len(each.lines("event is a duplicate")) for each in consumers))
    deadlocks = await _deadlocks(stage)
    assert deadlocks == 0, f"{deadlocks} deadlocks between our own consumers"
    assert seen.letters == []
    await stage.topics.remove(mirror)


async def _next_two(stage: Stage, history: History) -> list[Event]:
    """The first two events that the group has not committed and the table does not have."""
    position = (await stage.committed())[0]
    stored = await stage.ids()
    ids = dict.fromkeys(_id_of(record) for record in await stage.records() if record.offset >= position)
    return [history.events[each] for each in ids if each not in stored][:2]


def _id_of(record: ConsumerRecord) -> UUID:
    event_id = event_id_of(record.value)
    assert event_id is not None
    return event_id


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
