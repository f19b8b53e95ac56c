"""The table has a rule of its own: what violates it is refused, and never taken for a duplicate."""

import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.faults.history import History, Outcome
from tests.faults.stage import Stage
from tests.support.records import NewRecord

_VIOLATORS = 12
_PARTITIONS = 4
_SECOND_KEY = "CREATE UNIQUE INDEX events_second_key ON events (user_id, occurred_at)"
_REFUSAL = 'duplicate key value violates unique constraint "events_second_key"'


@pytest.mark.quick
async def test_32_second_unique_index_is_violated(stage: Stage) -> None:
    """Each violator is dead-lettered as rejected, its neighbours are stored, and none passes for a duplicate."""
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
