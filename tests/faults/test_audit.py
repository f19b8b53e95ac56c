"""The suite's own question, asked by the service itself."""

import json

from tests.faults.invariants import PROMISES
from tests.faults.stage import Stage
from tests.support.command import user_events

_POISON = 50


async def test_30_audit_finds_rows_deleted_by_hand(stage: Stage) -> None:
    """Each record whose row is gone is named, and no other; delivered again, all of them are there again."""
    consumer = await stage.run("consumer")
    async with stage.kafka_load() as load, stage.blocks() as others:
        events = others.events(stage.events // 50)
        await others.append([*events, *[b"{oops"] * _POISON])
        await load.acknowledged(stage.events // 2)
        load.pause = 0.25
        await stage.flows(0)
        assert await _missing(stage) == []
        await load.busy()
        stage.struck_in_flight(load, "rows deleted")
        # Of events that no client repeats, which would mend it.
        deleted = {event.id for event in events[::2]}
        await stage.query("DELETE FROM events WHERE id = ANY($1)", list(deleted))
        missing = await _missing(stage)
        load.pause = 0.0
        await load.acknowledged(stage.events)
    assert sorted(missing) == sorted(map(str, deleted))
    stage.struck("records missing", len(missing))
    assert await consumer.terminate() == 0
    await stage.topics.reset(stage.group, stage.topic)
    stage.healed()
    await stage.run("consumer")
    # What was deleted comes back behind later events of its user, and after its offset was committed.
    seen = await stage.prove(load, others, promises=PROMISES.keys() - {"D", "E"})
    assert deleted <= {row.id for row in seen.rows}
    assert await _missing(stage) == []


async def _missing(stage: Stage) -> list[str]:
    """Audit everything; return the events that are missing."""
    audit = await user_events("audit", "--json", environment=stage.environment)
    missing = [each["eventId"] for each in json.loads(audit.stdout)["missing"]]
    assert audit.exit_code == (1 if missing else 0), audit
    return missing
