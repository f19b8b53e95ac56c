"""Records that cannot be stored, or not as they are: each has its dead letter, and its neighbours their rows."""

import asyncio
from itertools import product

import pytest

from tests.faults.stage import Stage
from tests.support.poison import POISON, REFUSED_USER

_PLACES = (0, 0.5, 1)
"""The first of a batch, one in the middle, the last."""
_DLQ_AWAY_SECONDS = 6.0
_LARGE = b"{" + b"x" * 20_000


@pytest.mark.quick
async def test_23_poison_at_every_place_of_a_batch(stage: Stage) -> None:
    """It alone is dead-lettered, whatever is wrong with it; all others of its batch are stored."""
    cases = list(product(POISON.values(), _PLACES))
    size = stage.events // len(cases) + 1
    await stage.topics.make(stage.topic, partitions=1)
    await stage.query(f"ALTER TABLE events ADD CHECK (user_id <> '{REFUSED_USER}')")
    await stage.run("consumer", BATCH_SIZE=str(size + 1))
    dead_lettered, batches = {}, {}
    async with stage.blocks() as load:
        for (kind, poison), place in cases:
            events = load.events(size)
            at = round(place * size)
            offset = await load.append([*events[:at], poison, *events[at:]])
            dead_lettered[0, offset + at] = kind.encode()
            if kind != "rejected":  # For which the database has to be asked again and again.
                batches[offset] = events
    seen = await stage.prove(load)
    assert {letter.origin: letter.headers["dlq.kind"] for letter in seen.letters} == dead_lettered
    committed_at = {row.id: row.committed_at for row in seen.rows}
    for events in batches.values():
        assert len({committed_at[event.id] for event in events}) == 1
    stage.struck("batches stored in one transaction beside their poison", len(batches))


@pytest.mark.quick
async def test_25_dead_letter_topic_is_missing_or_too_small(stage: Stage) -> None:
    """Without the topic the batch is retried; a dead letter that a new topic is too small for is kept in the table."""
    await stage.topics.make(stage.topic, partitions=2)
    consumer = await stage.run("consumer", PUBLISH_TIMEOUT_SECONDS="3")
    async with stage.kafka_load() as load, stage.blocks() as others:
        await load.acknowledged(stage.events // 2)
        await stage.topics.remove(stage.dlq_topic)
        stage.struck_in_flight(load, "no topic for dead letters")
        load.pause = 0.25
        first = await others.append([*others.events(10), b"{oops", *others.events(10), _LARGE])
        await asyncio.sleep(_DLQ_AWAY_SECONDS)
        await stage.flows(1)
        await stage.topics.make(stage.dlq_topic, max_message_bytes="10000")
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load, others)
    # Neighbours of a dead letter that was refused for its size may be sent twice.
    assert {letter.origin for letter in seen.letters} == {(0, first + 10), (0, first + 21)}
    assert [value for _key, value in seen.oversize.values()] == [_LARGE]
    paused = consumer.lines("partition paused: dependency unavailable")
    stage.struck("pauses for want of the topic", len(paused))
