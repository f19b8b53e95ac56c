"""What the embedded event log does beyond the contracts of its ports."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log import event_source as event_log_source
from adapters.postgres.event_log.event_publisher import PostgresEventPublisher
from adapters.postgres.event_log.event_source import PostgresEventSource
from adapters.postgres.event_log.log_reader import PostgresLogReader
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.postgres.event_log.retention import trim
from adapters.postgres.event_log.topics import ensure_topic, partition_ids
from adapters.postgres.schema.migrate import migrate
from adapters.postgres.sessions.database import Database
from adapters.postgres.sessions.engine import create_engine
from application.ports import Receipt, StaleGeneration
from domain.errors import Unavailable, WrongDeployment
from entrypoints.dev.local_postgres import LocalPostgres
from tests.contracts.harness import collect, ends, flat, places, read, share, size
from tests.contracts.reader_contract import read_into
from tests.support.events import an_event
from tests.support.listeners import Witness
from tests.support.waiting import PATIENCE

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


def subscribed(source: PostgresEventSource, listener: Witness | None = None) -> PostgresEventSource:
    """Have somebody listen to `source`."""
    source.subscribe(listener or Witness())
    return source


@asynccontextmanager
async def member(engine: AsyncEngine, **options: float) -> AsyncIterator[PostgresEventSource]:
    """Take part in the group `group`."""
    source = subscribed(PostgresEventSource(engine, "events", "group", **options))
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def count(engine: AsyncEngine, table: str) -> int:
    """Count the rows of a table."""
    async with engine.connect() as connection:
        return int((await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one())


async def listeners(engine: AsyncEngine) -> set[int]:
    """Find the sessions that listen."""
    async with engine.connect() as connection:
        return set((await connection.exec_driver_sql(LISTENERS)).scalars())


async def test_topic_is_made_once_however_many_make_it(engine: AsyncEngine) -> None:
    """A caller that names no number of partitions gets it."""
    assert await asyncio.gather(*(ensure_topic(engine, "events", 7) for _ in range(5))) == [7] * 5
    assert await ensure_topic(engine, "events") == 7
    assert await count(engine, "log_partitions") == 7


async def test_another_number_of_partitions_than_exists_is_refused(engine: AsyncEngine) -> None:
    """Keys would move to other partitions."""
    assert await ensure_topic(engine, "events", 3) == 3
    with pytest.raises(WrongDeployment, match="has 3 partitions, but KAFKA_PARTITIONS is 5"):
        await ensure_topic(engine, "events", 5)


async def test_missing_topic_is_a_wrong_deployment(engine: AsyncEngine) -> None:
    """For readiness and members alike; a publish waits for it within its deadline."""
    publisher = PostgresEventPublisher(engine, "events", deadline=0.3)
    [outcome] = await publisher.publish([an_event()])
    assert str(outcome) == "event log: there is no topic events"
    with pytest.raises(WrongDeployment):
        await publisher.ping()
    with pytest.raises(WrongDeployment):
        await subscribed(PostgresEventSource(engine, "events", "group")).open()


async def test_publish_waits_for_a_topic_that_is_about_to_be_made(engine: AsyncEngine) -> None:
    """As in the first second of a process."""
    publisher = PostgresEventPublisher(engine, "events", deadline=PATIENCE)
    with pytest.raises(WrongDeployment):
        await publisher.ping()
    publishing = [asyncio.create_task(publisher.publish([an_event()])) for _ in range(3)]
    await asyncio.sleep(0)
    await ensure_topic(engine, "events", 1)
    outcomes = await asyncio.gather(*publishing)
    assert {outcome for [outcome] in outcomes} == {Receipt(0, offset) for offset in range(3)}


async def test_commit_of_what_is_not_held_is_stale_even_in_an_outage() -> None:
    """It needs no database to know that."""
    database = Database(host="127.0.0.1", port=1, user="", password="", name="")
    nowhere = create_engine(database, application_name="test", pool_size=4)
    source = subscribed(PostgresEventSource(nowhere, "events", "group"))
    with pytest.raises(StaleGeneration):
        await source.commit({0: 1})


async def test_record_that_was_deleted_by_hand_is_no_gap_to_be_passed_over(engine: AsyncEngine) -> None:
    """Offsets have none: a reader names the place, having read the records before it."""
    await ensure_topic(engine, "events", 1)
    await LogWriter(engine, "events").append([NewRecord(0, None, b"%d" % number, ()) for number in range(5)])
    async with engine.begin() as connection:
        await connection.exec_driver_sql('DELETE FROM log_records WHERE "offset" = 3')
    values: list[bytes | None] = []
    with pytest.raises(WrongDeployment, match="no record at offset 3 of partition 0"):
        await read_into(values, PostgresLogReader(engine, "events").read(0, 0, 5))
    assert values == [b"0", b"1", b"2"]


async def test_notice_wakes_a_member_long_before_it_would_look_by_itself(engine: AsyncEngine) -> None:
    """And so it does after the connection that listens was lost."""
    await ensure_topic(engine, "events")
    publisher = PostgresEventPublisher(engine, "events")
    async with member(engine, look=10 * PATIENCE) as source, asyncio.timeout(PATIENCE):
        for _ in range(2):
            while not (standing := await listeners(engine)):
                await source.poll(1, 0.01)
            await publisher.publish([an_event()])
            assert len(await read(source, 1)) == 1
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT pg_terminate_backend($1)", (standing.pop(),))
            while await listeners(engine) == standing:
                await source.poll(1, 0.01)


async def test_member_looks_by_itself_where_notices_do_not_get_through(engine: AsyncEngine) -> None:
    """Records that came without one are delivered all the same."""
    await ensure_topic(engine, "events", 1)
    publisher = PostgresEventPublisher(engine, "events")
    async with member(engine, look=0.05) as source:
        await publisher.publish([an_event()])
        await read(source, 1)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE log_partitions SET next_offset = 2")
            await connection.exec_driver_sql(
                """INSERT INTO log_records SELECT partition_id, 1, "timestamp", key, value, headers FROM log_records"""
            )
        assert len(await read(source, 1)) == 1


class Slow:
    """A member whose revocations last until they are `released`; it has read three records of each of two partitions.

    One record of each is committed.
    """

    def __init__(self, engine: AsyncEngine, *, hand_over: float) -> None:
        self.witness = Witness(self._finish)
        self.source = subscribed(PostgresEventSource(engine, "events", "group", hand_over=hand_over), self.witness)
        self.is_revoking = asyncio.Event()
        self.released = asyncio.Event()

    async def _finish(self, _partitions: Collection[int]) -> None:
        self.is_revoking.set()
        await self.released.wait()


async def append(engine: AsyncEngine, count: int) -> None:
    """Append records to two partitions in turn."""
    await LogWriter(engine, "events").append([NewRecord(number % 2, None, b"", ()) for number in range(count)])


@asynccontextmanager
async def slow(engine: AsyncEngine, *, hand_over: float) -> AsyncIterator[Slow]:
    """Have one take part."""
    await ensure_topic(engine, "events", 2)
    await append(engine, 6)
    made = Slow(engine, hand_over=hand_over)
    await made.source.open()
    try:
        async with asyncio.timeout(PATIENCE):
            await collect(made.source, 6)
            await made.source.commit({0: 1, 1: 1})
            yield made
    finally:
        made.released.set()
        await made.source.close()


async def test_partition_that_stays_after_all_is_assigned_anew(engine: AsyncEngine) -> None:
    """The newcomer that it was to go to has left again: it is read on from the group's position, and nothing twice."""
    async with slow(engine, hand_over=PATIENCE) as old:
        async with member(engine):
            await old.is_revoking.wait()
        (revoked,) = old.witness.revoked
        await append(engine, 2)
        # The member learns meanwhile that it keeps what it is about to release.
        for _ in range(10):
            assert not (await old.source.poll(10, 0.1)).keys() & revoked
        await old.source.commit(dict.fromkeys(revoked, 2))
        old.released.set()
        assert places(await read(old.source, 2)) == [(*revoked, 2), (*revoked, 3)]
        assert not await old.source.poll(10, 0.1)
        assert old.witness.assigned[1:] == [dict.fromkeys(revoked, 2)]
        assert old.witness.lost == []
        await old.source.commit(dict.fromkeys(revoked, 4))
        assert await old.source.lag() == {partition: 0 if partition in revoked else 3 for partition in (0, 1)}


async def test_partition_is_handed_over_although_its_revocation_does_not_end(engine: AsyncEngine) -> None:
    """After a while: the other reads on from the group's position, and the old member's commit is refused."""
    async with slow(engine, hand_over=0.5) as old, member(engine) as other:
        await old.is_revoking.wait()
        (revoked,) = old.witness.revoked
        assert places(await read(other, 2)) == [(*revoked, 1), (*revoked, 2)]
        with pytest.raises(StaleGeneration):
            await old.source.commit(dict.fromkeys(revoked, 3))
        assert not await old.source.poll(10, 0.01)
        assert old.witness.lost == [revoked]
        old.released.set()
        await other.commit(dict.fromkeys(revoked, 2))
        assert await other.lag() == dict.fromkeys(revoked, 1)
        assert await old.source.lag() == dict.fromkeys({0, 1} - revoked, 2)


async def test_batch_of_large_records_is_short(engine: AsyncEngine) -> None:
    """It has what amounts to 32 MiB, a record at least, and the next goes on where it ended."""
    await ensure_topic(engine, "events", 1)
    sizes = [33] + [1] * 40
    await LogWriter(engine, "events").append([NewRecord(0, None, b"x" * (size << 20), ()) for size in sizes])
    async with member(engine) as source:
        polls = await collect(source, len(sizes), limit=5_000)
    assert [*map(size, polls)] == [1, 32, 8]
    assert [record.offset for polled in polls for record in flat(polled)] == [*range(len(sizes))]


async def test_publish_that_waits_too_long_ends_with_an_unknown_outcome(engine: AsyncEngine) -> None:
    """Another session has locked the partition; once the lock is released, events are published as before."""
    await ensure_topic(engine, "events", 1)
    publisher = PostgresEventPublisher(engine, "events", deadline=0.2)
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT FROM log_partitions FOR UPDATE")
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*(publisher.publish([an_event()]) for _ in range(3)))
        assert all(isinstance(outcome, Unavailable) for [outcome] in outcomes)
    await publisher.close()
    (receipt,) = await PostgresEventPublisher(engine, "events").publish([an_event()])
    assert isinstance(receipt, Receipt)


async def test_retention_forgets_only_what_is_old_and_committed_by_every_group(engine: AsyncEngine) -> None:
    """The lag counts what is left, and a later group starts there."""
    await ensure_topic(engine, "events", 1)
    ids = await partition_ids(engine, "events")
    await PostgresEventPublisher(engine, "events").publish([an_event() for _ in range(10)])
    assert await trim(engine, ids, older_than=-1) == 0
    async with member(engine) as source:
        first, *_ = await collect(source, 10, limit=6)
        assert await trim(engine, ids, older_than=-1) == 0
        await source.commit(ends(first))
        assert await trim(engine, ids, older_than=3600) == 0
        assert await trim(engine, ids, older_than=-1) == 6
        assert await trim(engine, ids, older_than=-1) == 0
        assert await source.lag() == {0: 4}
    newcomer = subscribed(PostgresEventSource(engine, "events", "another group"))
    await newcomer.open()
    assert await newcomer.lag() == {0: 4}
    assert [record.offset for record in await read(newcomer, 4)] == [6, 7, 8, 9]
    await newcomer.close()


async def test_retention_that_fails_is_tried_again(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it failed on: otherwise records would be kept for ever, without a line in the log."""
    await ensure_topic(engine, "events", 1)
    tries, is_over = 0, asyncio.Event()

    async def trim_at_last(*_: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise WrongDeployment("no right to delete")
        is_over.set()

    monkeypatch.setattr(event_log_source, "trim", trim_at_last)
    monkeypatch.setattr(event_log_source, "_TRIM_SECONDS", 0.01)
    async with member(engine, retention=1.0), asyncio.timeout(PATIENCE):
        await is_over.wait()


async def test_calls_at_once_share_transactions(engine: AsyncEngine) -> None:
    """A hundred requests do not wait for a hundred commits, and each gets the receipts of its own events."""
    await ensure_topic(engine, "events")
    publisher = PostgresEventPublisher(engine, "events")
    outcomes = await asyncio.gather(*(publisher.publish([an_event("one-user")]) for _ in range(100)))
    assert [outcome.offset for [outcome] in outcomes if isinstance(outcome, Receipt)] == list(range(100))
    async with engine.connect() as connection:
        transactions = await connection.exec_driver_sql("SELECT count(DISTINCT xmin::text) FROM log_records")
        assert transactions.scalar_one() < 10


async def test_cancelled_call_does_not_disturb_the_others(engine: AsyncEngine) -> None:
    """Those who share its transaction are answered, and closing waits for all."""
    await ensure_topic(engine, "events")
    publisher = PostgresEventPublisher(engine, "events")
    calls = [asyncio.create_task(publisher.publish([an_event()])) for _ in range(5)]
    await asyncio.sleep(0)
    calls[1].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await publisher.close()
    assert isinstance(outcomes.pop(1), asyncio.CancelledError)
    assert all(isinstance(outcome, list) and isinstance(outcome[0], Receipt) for outcome in outcomes)


async def test_server_that_comes_back_finds_everybody_still_there(tmp_path: Path) -> None:
    """While it is down, the outcome of a publish is unknown and a poll fails; afterwards both work as before."""
    with LocalPostgres(tmp_path / "data", options={"fsync": "off"}) as server:
        database = Database(server.host, server.port, server.user, server.password, server.database)
        await migrate(database)
        engine = create_engine(database, application_name="tests", pool_size=5)
        await ensure_topic(engine, "events")
        publisher = PostgresEventPublisher(engine, "events")
        async with member(engine, session=1.0) as source, asyncio.timeout(PATIENCE):
            await share(source)
            server.stop(immediate=True)
            (outcome,) = await publisher.publish([an_event()])
            assert isinstance(outcome, Unavailable)
            with pytest.raises(Unavailable):
                await source.poll(10, 1.0)
            with pytest.raises(Unavailable):
                await source.ping()
            server.start()
            began = time.monotonic()
            while isinstance((await publisher.publish([an_event()]))[0], Unavailable):
                assert time.monotonic() - began < PATIENCE
            while True:
                try:
                    polled = await source.poll(10, 1.0)
                except Unavailable:
                    await asyncio.sleep(0.05)
                    continue
                if polled:
                    break
            await source.commit(ends(polled))
            assert sum((await source.lag()).values()) == 0
        await engine.dispose()
