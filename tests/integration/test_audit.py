"""`user-events audit` over what a real consumer left behind, on Kafka and on the embedded log."""

import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from adapters.records import codec
from domain.event import UserEvent
from tests.support.command import Finished, user_events
from tests.support.events import an_event, time_of
from tests.support.records import NewRecord
from tests.support.waiting import eventually
from tests.support.world import World

POISON = b"{oops"
ERASE = (
    "DELETE FROM events WHERE user_id = 'leaver'",
    "INSERT INTO erased_users (user_id, erased_at) VALUES ('leaver', clock_timestamp())",
)


async def audit(world: World, *arguments: str) -> Finished:
    """Run the command."""
    return await user_events("audit", *arguments, environment=world.environment)


def result_of(finished: Finished, exit_code: int) -> dict[str, Any]:
    """Read the JSON; the counts that are zero are left out."""
    assert finished.exit_code == exit_code, finished
    result: dict[str, Any] = json.loads(finished.stdout)
    assert sum(result["counts"].values()) == result["offsets"]
    result["counts"] = {disposition: count for disposition, count in result["counts"].items() if count}
    return result


def as_record(content: UserEvent | bytes, partition: int = 0) -> NewRecord:
    """Make a record of an event or of bytes."""
    return NewRecord(codec.encode(content) if isinstance(content, UserEvent) else content, partition=partition)


async def consumed_world(world: World, *contents: UserEvent | bytes) -> None:
    """Let a consumer take `contents`, spread over two partitions in turn, and end in order."""
    await world.make_topic(partitions=2)
    await world.send(*(as_record(content, place % 2) for place, content in enumerate(contents)))
    consumer = await world.run("consumer", BATCH_SIZE="4")
    await world.consumed(len(contents))
    assert await consumer.terminate() == 0


async def test_what_a_consumer_did_is_proved(world: World) -> None:
    """Good, poison, conflicting and duplicate records; nobody's position moves, and what came since is pending."""
    events = [an_event() for _ in range(10)]
    conflict = events[0]._replace(payload=b'{"n":2}')
    await consumed_world(world, *events, POISON, conflict, events[3], POISON)
    committed = await world.committed()
    assert result_of(await audit(world, "--json"), 0) == {
        "missing": [],
        "counts": {"stored": 11, "dead": 3},
        "offsets": 14,
    }
    await world.send(as_record(an_event()), as_record(POISON))
    assert result_of(await audit(world, "--json"), 0)["counts"] == {"stored": 11, "dead": 3, "pending": 2}
    assert await world.committed() == committed


async def test_row_deleted_by_hand_is_named(world: World) -> None:
    """With exit code 1; in the range of its place and in no other."""
    events = [an_event() for _ in range(6)]
    await consumed_world(world, *events)
    lost = events[4]
    await world.query("DELETE FROM events WHERE id = $1", lost.id)
    finished = await audit(world)
    assert finished.exit_code == 1
    first, *counts = finished.stdout.splitlines()
    assert first.startswith("missing: partition=0 offset=2 timestamp=20")
    assert first.endswith(f"eventId={lost.id}: it has no row, and no dead letter names it")
    assert ["missing", "1"] in [line.split() for line in counts]

    (record,) = [each for each in await world.records() if (each.partition, each.offset) == (0, 2)]
    at, behind = (codec.render_time(time_of(record.timestamp + more)) for more in (0, 1))
    assert (await audit(world, "--from", at, "--to", behind)).exit_code == 1
    assert (await audit(world, "--from", behind)).exit_code == 0
    assert (await audit(world, "--to", at)).exit_code == 0


async def test_erased_and_expired_records_are_told_apart_from_missing_ones(world: World) -> None:
    """Of all three something is gone, but only one is a loss."""
    events = [an_event("leaver") if place in {2, 5} else an_event() for place in range(10)]
    await consumed_world(world, *events)
    for statement in ERASE:
        await world.query(statement)
    assert result_of(await audit(world, "--json"), 0)["counts"] == {"stored": 8, "erased": 2}

    await world.query("DELETE FROM events WHERE id = $1 OR id = $2", events[1].id, events[9].id)
    await world.topics.delete(world.topic, 1, before=1)
    result = result_of(await audit(world, "--json"), 1)
    assert result["counts"] == {"stored": 6, "erased": 2, "expired": 1, "missing": 1}
    assert [(each["partition"], each["offset"], each["eventId"]) for each in result["missing"]] == [
        (1, 4, str(events[9].id))
    ]


async def test_what_compaction_took_proves_nothing(world: World) -> None:
    """With exit code 1: acknowledged events may be among it. Transaction marks are no loss, here or elsewhere."""
    await world.topics.make(world.topic, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.001")
    await world.topics.make(world.dlq_topic)
    async with AIOKafkaProducer(bootstrap_servers=world.topics.bootstrap, transactional_id=world.topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(world.topic, codec.encode(an_event()), b"transaction")
    await world.send(*(as_record(an_event()) for _ in range(51)))
    everything = 53

    async def is_compacted() -> bool:
        # Only what is rolled off the end is compacted.
        await world.send(as_record(an_event()))
        return len(await world.records()) < everything

    await eventually(is_compacted, "a compacted topic", within=90)
    result = result_of(await audit(world, "--json"), 1)
    assert result["missing"] == []
    counts = result["counts"]
    assert counts.keys() == {"pending", "empty", "compacted"}
    assert counts["empty"] <= 1
    assert counts["compacted"] + counts["pending"] + counts["empty"] == result["offsets"]
    assert "acknowledged events may be among them" in (await audit(world)).stderr


async def test_transaction_marks_are_no_loss(world: World) -> None:
    """Neither the ends of transactions nor what was aborted, at the edges of the range either."""
    await world.make_topic()
    await world.topics.make(world.dlq_topic)
    async with AIOKafkaProducer(bootstrap_servers=world.topics.bootstrap, transactional_id=world.topic) as producer:
        for is_wanted in (False, True, False):
            await producer.begin_transaction()
            await producer.send_and_wait(world.topic, codec.encode(an_event()), b"transaction")
            await (producer.commit_transaction if is_wanted else producer.abort_transaction)()
    assert result_of(await audit(world, "--json"), 0)["counts"] == {"pending": 1, "empty": 5}


async def test_poison_that_was_never_dead_lettered_is_missing(world: World) -> None:
    """A committed offset alone proves nothing."""
    await consumed_world(world, an_event(), POISON)
    await world.topics.delete(world.dlq_topic, (await world.letters())[0].partition, before=1)
    result = result_of(await audit(world, "--json"), 1)
    assert result["counts"] == {"stored": 1, "missing": 1}
    assert result["missing"][0]["eventId"] is None


async def test_embedded_log_is_audited_likewise(world: World) -> None:
    """Nobody needs a broker for that."""
    embedded = world.environment | {"EVENT_LOG": "postgres", "KAFKA_BROKER": "127.0.0.1:1"}
    api = await world.start("api", **embedded)
    await api.ready()
    ids = []
    for number in range(5):
        body = {"userId": f"user-{number}", "eventType": "LOGIN"}
        ids.append((await api.client.post("/events/generate", json=body)).json()["eventId"])
    pending = result_of(await user_events("audit", "--json", environment=embedded), 0)
    assert pending["counts"] == {"pending": 5}

    await world.start("consumer", **embedded)

    async def is_proved() -> bool:
        result = result_of(await user_events("audit", "--json", environment=embedded), 0)
        return bool(result["counts"] == {"stored": 5})

    await eventually(is_proved, "five stored records")

    async def is_committed() -> bool:
        rows = await world.query("SELECT sum(position) AS committed FROM log_claims")
        return bool(rows[0]["committed"] == 5)

    await eventually(is_committed, "five committed records")
    await world.query("DELETE FROM events WHERE id = $1", ids[2])
    result = result_of(await user_events("audit", "--json", environment=embedded), 1)
    assert result["counts"] == {"stored": 4, "missing": 1}
    assert [each["eventId"] for each in result["missing"]] == [ids[2]]


@pytest.mark.parametrize("event_log", ["kafka", "postgres"])
async def test_log_that_is_not_there_is_told(world: World, event_log: str) -> None:
    """An audit makes nothing, topics least of all."""
    finished = await user_events("audit", environment=world.environment | {"EVENT_LOG": event_log})
    assert (finished.exit_code, finished.stdout) == (1, "")
    assert f"no topic {world.topic}" in finished.stderr
    assert await world.records() == []
