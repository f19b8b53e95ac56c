"""A trigger of somebody else's refuses some records, and for a while everything."""

import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from tests.faults.history import History, Outcome
from tests.faults.stage import Stage
from tests.support.records import NewRecord
from tests.support.waiting import eventually

_CODES = ("P0001", "0A000", "38001", "42501")
"""One in each partition. The last one usually says that a right to the table is missing."""
_REFUSAL = "refused by a trigger"
_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE codes text[] := '{{{codes}}}'; place int := array_position('{{{ids}}}'::uuid[], NEW.id);
BEGIN
    IF place IS NOT NULL OR {refuses_all} THEN
        RAISE EXCEPTION '{refusal}' USING ERRCODE = coalesce(codes[place], 'P0001');
    END IF;
    RETURN NEW;
END $$
"""
_TRIGGER = "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"


@pytest.mark.quick
async def test_38_trigger_refuses_some_records_and_then_all(stage: Stage) -> None:
    """Each of the some has its dead letter and its partition goes on; while all are refused there is none."""
    refused = [uuid4() for _ in _CODES]
    await stage.query(_function(refused, refuses_all=False))
    await stage.query(_TRIGGER)
    await stage.make_topic(partitions=len(_CODES))
    consumer = await stage.run("consumer")
    refusals = stage.postgres.log.count(_REFUSAL)
    async with stage.kafka_load() as load:
        await load.acknowledged(stage.events // 2)
        await _send(stage, load.history, refused)
        stage.struck_in_flight(load, "refused records sent")
        load.pause = 0.25

        async def are_dead_letters() -> bool:
            return len(await stage.letters()) == len(refused)

        await eventually(are_dead_letters, "a dead letter for each refused record", within=90)
        await stage.query(_function(refused, refuses_all=True))
        await consumer.logged("partition paused: dependency unavailable")
        await stage.query(_function(refused, refuses_all=False))
        stage.healed()
        load.pause = 0.0
        await load.acknowledged(stage.events)
    seen = await stage.prove(load)
    stage.struck("refusals by the trigger", stage.postgres.log.count(_REFUSAL) - refusals)
    assert sorted(letter.event_id or UUID(int=0) for letter in seen.letters) == sorted(refused)
    assert {letter.headers["dlq.kind"] for letter in seen.letters} == {b"rejected"}


def _function(refused: list[UUID], *, refuses_all: bool) -> str:
    return _FUNCTION.format(
        codes=",".join(_CODES), ids=",".join(map(str, refused)), refuses_all=refuses_all, refusal=_REFUSAL
    )


async def _send(stage: Stage, history: History, ids: list[UUID]) -> None:
    """Send an event for each id, one in each partition; clients count them as sent."""
    rows = await stage.query("SELECT id FROM events LIMIT $1", len(ids))
    events = [
        replace(history.events[row["id"]], id=id_, first_sent=time.time()) for row, id_ in zip(rows, ids, strict=True)
    ]
    await stage.send(
        *(NewRecord(each.record(), each.user.encode(), partition=place) for place, each in enumerate(events))
    )
    for each in events:
        each.outcome, each.acked = Outcome.OK, time.time()
        history.events[each.id] = each
    history.acknowledged += len(events)
