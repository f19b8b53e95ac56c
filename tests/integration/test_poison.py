"""Records that can never be stored: dead-lettered verbatim, wherever in a batch; their neighbours are stored."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from aiokafka.structs import ConsumerRecord

from adapters.records import codec
from tests.support.command import user_events
from tests.support.events import an_event
from tests.support.kafka import KafkaServer
from tests.support.poison import HEADERS, KEY, POISON, REFUSED_USER
from tests.support.postgres import PostgresServer
from tests.support.records import NewRecord, Topics
from tests.support.service import services
from tests.support.waiting import eventually
from tests.support.world import World

BATCH = 5
PLACES = {"first": 0, "middle": 2, "last": 4}
CASES = [(name, place) for name in POISON for place in PLACES]


@dataclass(frozen=True)
class Outcome:
    """What became of all cases, which one consumer read in batches of five: one case a batch."""

    records: list[ConsumerRecord]
    letters: dict[int, ConsumerRecord]
    """By the offset of the original."""
    rows: dict[int, UUID]
    """By the offset in the topic."""
    transactions: dict[int, object]
    """When the transaction began that stored it, by the offset."""

    def batch_of(self, name: str, place: str) -> tuple[range, int]:
        """The offsets of a case, and the one of its poison."""
        begin = BATCH * CASES.index((name, place))
        return range(begin, begin + BATCH), begin + PLACES[place]


def all_batches() -> list[NewRecord]:
    """The records of all cases."""
    records: list[NewRecord] = []
    for name, place in CASES:
        batch = [NewRecord(codec.encode(an_event()), KEY, HEADERS) for _ in range(BATCH)]
        batch[PLACES[place]] = NewRecord(POISON[name][1], KEY, HEADERS)
        records += batch
    return records


async def consume_all(world: World) -> Outcome:
    """Let a consumer read the batches, which are in the topic before it starts."""
    await world.make_topic()
    await world.send(*all_batches())
    await world.query(f"ALTER TABLE events ADD CHECK (user_id <> '{REFUSED_USER}')")
    consumer = await world.run("consumer", BATCH_SIZE=str(BATCH))
    await world.consumed(BATCH * len(CASES))
    await consumer.ready()
    rows = await world.query("SELECT id, log_offset, created_at FROM events")
    return Outcome(
        await world.records(),
        {int(dict(letter.headers)["dlq.offset"]): letter for letter in await world.letters()},
        {row["log_offset"]: row["id"] for row in rows},
        {row["log_offset"]: row["created_at"] for row in rows},
    )


@pytest.fixture(scope="module")
def outcome(
    kafka: KafkaServer, postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    """One run over all cases."""
    database = replace(postgres.admin, name=f"test_{uuid4().hex}")

    async def run(folder: Path) -> Outcome:
        await postgres.create(database.name, template=migrated)
        async with services(folder) as started:
            return await consume_all(World(started, database, Topics(kafka.bootstrap)))

    yield asyncio.run(run(tmp_path_factory.mktemp("poison")))
    asyncio.run(postgres.drop(database.name))


@pytest.mark.parametrize(("name", "place"), CASES)
def test_neighbours_of_poison_are_stored(outcome: Outcome, name: str, place: str) -> None:
    """All others of the batch are rows; in one transaction, unless the database had to find the culprit."""
    offsets, poisoned = outcome.batch_of(name, place)
    neighbours = [offset for offset in offsets if offset != poisoned]
    assert [outcome.rows[offset] for offset in neighbours] == [
        UUID(json.loads(outcome.records[offset].value)["eventId"]) for offset in neighbours
    ]
    assert poisoned not in outcome.rows
    assert POISON[name][0] == "rejected" or len({outcome.transactions[offset] for offset in neighbours}) == 1


@pytest.mark.parametrize(("name", "place"), CASES)
def test_poison_is_dead_lettered_verbatim_with_its_origin(outcome: Outcome, name: str, place: str) -> None:
    """It has the record's key, bytes and headers, then the record's origin and the reason."""
    _offsets, poisoned = outcome.batch_of(name, place)
    record, letter = outcome.records[poisoned], outcome.letters[poisoned]
    kind, value = POISON[name]
    assert (letter.key, letter.value) == (KEY, value) == (record.key, record.value)
    assert letter.headers[: len(HEADERS)] == HEADERS == record.headers
    ours = dict(letter.headers[len(HEADERS) :])
    assert len(ours) == len(letter.headers) - len(HEADERS)
    assert ours["dlq.kind"] == kind.encode()
    assert ours["dlq.topic"] == record.topic.encode()
    assert [int(ours[f"dlq.{name}"]) for name in ("partition", "offset", "timestamp")] == [
        record.partition,
        record.offset,
        record.timestamp,
    ]
    assert ours["dlq.error.class"]
    assert ours["dlq.error.message"]
    assert ours["dlq.first-failed-at"] == ours["dlq.failed-at"]
    assert (ours["dlq.attempts"], ours["dlq.replays"]) == (b"1", b"0")


def test_nothing_else_is_dead_lettered(outcome: Outcome) -> None:
    """One dead letter a case."""
    assert len(outcome.letters) == len(CASES)


async def test_a_dead_letter_too_large_for_its_topic_is_kept_whole_in_the_database(world: World) -> None:
    """The topic gets the headers alone, which point to the table, and the partition flows on."""
    value, event = b"{" + b"x" * 10_000, an_event()
    await world.make_topic()
    await world.topics.make(world.dlq_topic, max_message_bytes="2000")
    await world.send(NewRecord(value, KEY, HEADERS), NewRecord(codec.encode(event)))
    await world.run("consumer")
    await world.consumed(2)
    assert await world.ids() == {event.id}
    (kept,) = await world.query("SELECT * FROM oversize_letters")
    assert (kept["topic"], kept["partition"], kept["offset"]) == (world.topic, 0, 0)
    assert (kept["key"], kept["value"]) == (KEY, value)
    (letter,) = await world.letters()
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (None, None)
    assert headers["dlq.oversize"] == b"oversize_letters"
    assert headers["dlq.oversize-id"] == b"%d" % kept["id"]
    assert (headers["dlq.kind"], headers["dlq.offset"]) == (b"undecodable", b"0")
    whole = codec.headers_as_json(
        [*HEADERS, *((name, value) for name, value in letter.headers if not name.startswith("dlq.oversize"))]
    )
    assert json.loads(kept["headers"]) == whole


async def test_dead_letter_that_its_topic_refuses_is_kept_in_the_database(world: World) -> None:
    """A topic that was compacted meanwhile takes none without a key; one with a key finds its way there again."""
    keyless, event = b"{no key", an_event()
    await world.make_topic()
    await world.topics.make(world.dlq_topic)
    # A hundred dead letters in a row may be sent here before the producer is replaced, which would halt the partition.
    consumer = await world.run("consumer", DLQ_MAX_CONSECUTIVE="1000000")
    await world.topics.configure(world.dlq_topic, cleanup_policy="compact")
    count = 0

    async def is_refused() -> bool:
        nonlocal count
        count += 1
        await world.send(NewRecord(keyless, None, HEADERS))
        await world.consumed(count)
        return await world.query("SELECT FROM oversize_letters") != []

    # The brokers apply a topic's new settings some time after they have acknowledged them.
    await eventually(is_refused, "a dead letter that its topic refuses")
    taken = len(await world.letters())
    await world.send(NewRecord(codec.encode(event)))
    await world.consumed(count + 1)
    assert await world.ids() == {event.id}
    (kept,) = await world.query("SELECT * FROM oversize_letters")
    assert (kept["topic"], kept["partition"], kept["offset"]) == (world.topic, 0, count - 1)
    assert (kept["key"], kept["value"]) == (None, keyless)
    assert "InvalidRecordError" in kept["cause"]
    (line,) = consumer.lines("dead letters refused by their topic: kept in the database")
    assert "InvalidRecordError" in line["cause"]
    assert (await user_events("audit", environment=world.environment)).exit_code == 0

    async def is_dead_lettered() -> bool:
        await world.send(NewRecord(b"{key", KEY))
        return len(await world.letters()) > taken

    await eventually(is_dead_lettered, "a dead letter in its topic")
    assert (await user_events("audit", environment=world.environment)).exit_code == 0


async def test_dead_letters_that_are_refused_for_their_time_are_kept_in_the_database(world: World) -> None:
    """As where the clocks of consumer and broker differ."""
    await world.make_topic()
    # A record is older than that when it arrives, but for one that does within the same millisecond.
    await world.topics.make(world.dlq_topic, message_timestamp_before_max_ms="0")
    await world.run("consumer")
    count = 0

    async def is_refused() -> bool:
        nonlocal count
        count += 1
        await world.send(NewRecord(b"{%d" % count))
        await world.consumed(count)
        return await world.query("SELECT FROM oversize_letters") != []

    await eventually(is_refused, "a dead letter that is refused for its time")
    kept = await world.query("SELECT * FROM oversize_letters")
    assert len(kept) + len(await world.letters()) == count
    assert {"InvalidTimestampError" in row["cause"] for row in kept} == {True}
    assert (await user_events("audit", environment=world.environment)).exit_code == 0
