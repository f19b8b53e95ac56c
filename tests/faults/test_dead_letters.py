"""The work on dead letters is killed at its worst moments, or its servers are away: no letter is lost or forgotten."""

import asyncio

import pytest

from tests.faults.dead_letters import Guests, check_index, replays_in
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.support.service import Service

_GUESTS = 40
_RATE = 8.0
"""Letters a second: slow enough for a fault to strike in between."""
_PAUSE_SECONDS = 0.5
_FAILING = "dead-letter job, collecting outcomes: failing, trying again"


async def test_41_replay_worker_killed_before_its_letters_are_published(stage: Stage) -> None:
    """Nothing notes a letter as published before the log has it, so the other worker publishes all of them."""
    workers = [await stage.run("consumer") for _ in range(2)]
    async with stage.kafka_load() as load:
        guests = await _admitted_guests(stage, load)
        # The clients write past the proxies, and no letter is sent now: only replays are produced through them.
        produce = stage.brokers.hold("Produce")
        replay = await guests.replay()
        await produce.arrived()
        await load.busy()
        stage.struck_in_flight(load, "worker killed")
        await _worker_at_work(workers).kill9()
        produce.drop()
        stage.struck("letters not published", _GUESTS - replays_in(await stage.records()))
        stage.healed()
        await replay.finished()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("jobs taken over", _taken_over(stage))
    assert {row.id for row in seen.rows} >= guests.ids
    await check_index(stage, seen, states={"stored"})


async def test_42_replay_worker_killed_between_publishing_and_noting_it(stage: Stage) -> None:
    """The other worker publishes the same letters again, and their ids absorb it: each is stored once."""
    workers = [await stage.run("consumer") for _ in range(2)]
    async with stage.kafka_load() as load:
        guests = await _admitted_guests(stage, load)
        # The first statement of this name in a session that is new: the letters that the log has.
        note = stage.db.hold("WITH noted")
        replay = await guests.replay()
        await note.arrived()
        await load.busy()
        stage.struck_in_flight(load, "worker killed")
        await _worker_at_work(workers).kill9()
        note.drop()
        stage.healed()
        await replay.finished()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("jobs taken over", _taken_over(stage))
    stage.struck("letters published again", replays_in(seen.records) - _GUESTS)
    assert {row.id for row in seen.rows} >= guests.ids
    await check_index(stage, seen, states={"stored"})


@pytest.mark.quick
async def test_43_indexer_killed_before_its_database_commit(stage: Stage) -> None:
    """The offset of a letter is not committed before the index has it, so its successor reads it again."""
    consumer = await stage.run("consumer")
    guests = Guests(stage)
    await guests.refuse()
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        load.pause = _PAUSE_SECONDS
        note = stage.db.hold("WITH given")
        await guests.publish(load, _GUESTS)
        await note.arrived()
        await load.busy()
        stage.struck_in_flight(load, "consumer killed")
        await consumer.kill9()
        note.drop()
        stage.struck("letters that the index lacks", len(await stage.letters()) - await _noted(stage))
        stage.healed()
        await _goes_on(stage, load, guests, consumer)
    seen = await stage.prove(load)
    await check_index(stage, seen, states={"dead"})


async def test_44_indexer_killed_between_database_and_offset_commit(stage: Stage) -> None:
    """The index has letters whose offset is not committed; its successor reads them again and notes nothing twice."""
    consumer = await stage.run("consumer")
    guests = Guests(stage)
    await guests.refuse()
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        load.pause = _PAUSE_SECONDS
        commit = stage.brokers.hold("index OffsetCommit")
        await guests.publish(load, _GUESTS)
        await commit.arrived()
        await load.busy()
        stage.struck_in_flight(load, "consumer killed")
        await consumer.kill9()
        commit.drop()
        assert not await stage.topics.committed(f"{stage.group}.dead-letters", stage.dlq_topic)
        stage.struck("letters that the index has, their offsets not committed", await _noted(stage))
        stage.healed()
        await _goes_on(stage, load, guests, consumer)
    seen = await stage.prove(load)
    await check_index(stage, seen, states={"dead"})


@pytest.mark.quick
async def test_45_postgresql_stops_during_a_replay(stage: Stage) -> None:
    """The worker waits, says so in its log, and goes on: each letter is stored."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load:
        guests = await _admitted_guests(stage, load)
        replay = await guests.replay(rate=_RATE)
        await replay.is_in_flight()
        await load.busy()
        stage.struck_in_flight(load, "PostgreSQL stopped")
        await stage.postgres.stop()
        await consumer.logged(_FAILING)
        await stage.postgres.start()
        await stage.heal()
        await replay.finished()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("steps of the job that failed", len(consumer.lines(_FAILING)))
    assert {row.id for row in seen.rows} >= guests.ids
    await check_index(stage, seen, states={"stored"})


async def test_46_kafka_is_away_during_a_replay(stage: Stage) -> None:
    """The job says what it waits for, and goes on: each letter is stored."""
    await stage.run("consumer")
    async with stage.kafka_load() as load:
        guests = await _admitted_guests(stage, load)
        replay = await guests.replay(rate=_RATE)
        await replay.is_in_flight()
        await load.busy()
        stage.struck_in_flight(load, "brokers away")
        await stage.brokers.refuse()
        assert await replay.waits()
        await stage.heal()
        await replay.finished()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("connections cut", stage.brokers.connections_cut)
    assert {row.id for row in seen.rows} >= guests.ids
    await check_index(stage, seen, states={"stored"})


async def _admitted_guests(stage: Stage, load: Load) -> Guests:
    """Have events refused and their letters indexed, then mend the table."""
    guests = Guests(stage)
    await guests.refuse()
    await load.acknowledged(stage.events // 4)
    load.pause = _PAUSE_SECONDS
    await guests.publish(load, _GUESTS)
    await guests.indexed()
    await guests.admit()
    return guests


async def _goes_on(stage: Stage, load: Load, guests: Guests, killed: Service) -> None:
    """Start a successor, which has more letters to index, too."""
    await asyncio.gather(stage.run_again(killed), guests.publish(load, _GUESTS))
    await guests.indexed()
    load.pause = 0.0
    await load.acknowledged(stage.events)


async def _noted(stage: Stage) -> int:
    ((noted,),) = await stage.query("SELECT count(*) FROM dead_letter_attempts")
    return int(noted)


def _worker_at_work(workers: list[Service]) -> Service:
    """Tell whose worker has the job."""
    (worker,) = (each for each in workers if each.lines("dead-letter job started"))
    return worker


def _taken_over(stage: Stage) -> int:
    return sum(len(each.lines("dead-letter job taken over")) for each in stage.services.started)
