"""What the table of events does beyond the contract of its port."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.events import event_statements as statements
from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.sessions.database import Database, Limits
from adapters.postgres.sessions.engine import create_engine
from adapters.postgres.sessions.errors import translated
from application.listing import EventFilter
from application.ports import Outcome
from domain.errors import Rejected, Unavailable
from tests.contracts.listing_contract import walk
from tests.support.events import an_event, delivered
from tests.support.postgres import PostgresServer, connect
from tests.support.waiting import PATIENCE, eventually

STORED, DUPLICATE, CONFLICT = Outcome
SLOW_COMMIT = (
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END'",
    """CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION dawdle()""",
)
KEEP_OUT = (
    "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE TRIGGER keep_out BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION keep_out()",
)
ROW_LEVEL_SECURITY = (
    "ALTER TABLE events ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY everything ON events USING (true)",
)
_INSERT_ID = text(
    "INSERT INTO events (id, user_id, event_type, payload) VALUES (:id, 'user-1', 'LOGIN', CAST(:payload AS jsonb))"
)


async def _waits_for_a_lock(engine: AsyncEngine) -> None:
    async def waits() -> bool:
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(found.scalar_one())

    await eventually(waits, "a session that waits for a lock")


async def _is_copying(engine: AsyncEngine) -> None:
    async def is_copying() -> bool:
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT sum(tuples_processed) FROM pg_stat_progress_copy"))
            return bool(found.scalar_one())

    await eventually(is_copying, "a COPY under way")


@pytest.fixture
async def roles(database: Database, postgres: PostgresServer) -> AsyncIterator[list[Database]]:
    """The database, for two roles that may not see each other's sessions."""
    password = secrets.token_hex()
    names = [f"test_{uuid4().hex}" for _ in range(2)]
    for name in names:
        await postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield [replace(database, user=name, password=password) for name in names]
    for name in names:
        await postgres.execute(f"DROP ROLE {name}")


async def test_large_batch_goes_in_several_statements_of_one_transaction(engine: AsyncEngine) -> None:
    """Each far below what the server takes, and outcomes are in the order given."""
    sizes: list[int] = []

    def measure(_connection: object, _cursor: object, _statement: str, parameters: Sequence[Any], *_: object) -> None:
        sizes.append(sum(map(len, parameters[3])) if len(parameters) > 3 else 0)

    store = PostgresEventStore(engine, settle=25.0)
    old, taken = an_event(), an_event()
    await store.add(delivered(old, taken))
    large = [an_event(payload=b'{"a":"%s"}' % (b"x" * (1 << 20))) for _ in range(40)]
    batch = [old, *large, an_event(payload=large[0].payload, event_id=taken.id), *large]
    event.listen(engine.sync_engine, "before_cursor_execute", measure)
    assert await store.add(delivered(*batch)) == [DUPLICATE, *[STORED] * 40, CONFLICT, *[DUPLICATE] * 40]
    event.remove(engine.sync_engine, "before_cursor_execute", measure)
    assert len(sizes) > 2
    assert max(sizes) < 34 << 20
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT count(DISTINCT created_at) FROM events"))
        assert found.scalar_one() == 2


async def test_duplicates_among_new_events_are_told_from_them_batch_after_batch(engine: AsyncEngine) -> None:
    """Also by the batches after the first in which ids were taken, which are written in another way."""
    store = PostgresEventStore(engine, settle=25.0)
    old = [an_event() for _ in range(30)]
    assert await store.add(delivered(*old)) == [STORED] * 30
    for known in old:
        new = an_event()
        assert await store.add(delivered(new, known, an_event(event_id=new.id, user_id="other"))) == [
            *(STORED, DUPLICATE, CONFLICT)
        ]
        assert await store.add(delivered(an_event())) == [STORED]


async def test_event_that_another_writer_commits_meanwhile_is_a_duplicate(engine: AsyncEngine) -> None:
    """It is not in the table yet when its id is looked up, but when it is to be written."""
    store, slow = PostgresEventStore(engine, settle=25.0), an_event()
    await store.add(delivered(known := an_event()))
    assert await store.add(delivered(known)) == [DUPLICATE]
    async with engine.connect() as other:
        await other.execute(_INSERT_ID, {"id": slow.id, "payload": slow.payload.decode()})
        adding = asyncio.create_task(store.add(delivered(an_event(), slow, known)))
        await _waits_for_a_lock(engine)
        await other.commit()
    assert await adding == [STORED, DUPLICATE, DUPLICATE]


async def test_violation_of_another_constraint_is_no_duplicate(engine: AsyncEngine) -> None:
    """An operator may have made a unique index of his own."""
    store, event_ = PostgresEventStore(engine, settle=25.0), an_event("only-once")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE UNIQUE INDEX ON events (user_id)"))
    assert await store.add(delivered(event_)) == [STORED]
    with pytest.raises(Rejected):
        await store.add(delivered(an_event("only-once")))
    assert await store.add(delivered(event_)) == [DUPLICATE]


async def test_entry_that_is_too_large_for_an_index_exceeds_a_limit(engine: AsyncEngine) -> None:
    """The caller has to see whether another event can be stored."""
    store, large = (
        PostgresEventStore(engine, settle=25.0),
        an_event(payload=b'{"a":"%s"}' % secrets.token_hex(10_000).encode()),
    )
    async with engine.begin() as connection:
        await connection.execute(text("CREATE INDEX ON events ((payload ->> 'a'))"))
    with pytest.raises(Rejected):
        await store.add(delivered(large))
    assert await store.add(delivered(an_event())) == [STORED]


async def test_row_that_a_trigger_keeps_out_is_not_stored(engine: AsyncEngine) -> None:
    """An operator may have made one: the event is retried until it is gone."""
    store, event_ = PostgresEventStore(engine, settle=25.0), an_event()
    async with engine.begin() as connection:
        for statement in KEEP_OUT:
            await connection.execute(text(statement))
    with pytest.raises(Unavailable):
        await store.add(delivered(event_))
    async with engine.begin() as connection:
        await connection.execute(text("DROP TRIGGER keep_out ON events"))
    assert await store.add(delivered(event_)) == [STORED]


async def test_table_with_row_level_security_takes_events(engine: AsyncEngine, roles: list[Database]) -> None:
    """It refuses every COPY of those to whom its policies apply, and is not asked for one again."""
    async with AsyncExitStack() as stack:
        async with engine.begin() as connection:
            await connection.execute(text("GRANT SELECT, INSERT ON events TO PUBLIC"))
        writer = create_engine(roles[0], application_name="tests", pool_size=1)
        stack.push_async_callback(writer.dispose)
        store, first, second, third = PostgresEventStore(writer, settle=25.0), *(an_event() for _ in range(3))
        assert await store.add(delivered(known := an_event())) == [STORED]
        assert await store.add(delivered(known)) == [DUPLICATE]
        # While ids are looked up before they are written, and afterwards.
        async with engine.begin() as connection:
            for statement in ROW_LEVEL_SECURITY:
                await connection.execute(text(statement))
        assert await store.add(delivered(first, known)) == [STORED, DUPLICATE]
        store = PostgresEventStore(writer, settle=25.0)
        assert await store.add(delivered(second)) == [STORED]
        assert await store.add(delivered(second, third)) == [DUPLICATE, STORED]


async def test_add_ends_in_time_whatever_it_waits_for(engine: AsyncEngine) -> None:
    """Its connection is not used again, nothing of it appears later, and it can be repeated."""
    store, event_ = PostgresEventStore(engine, settle=0.5), an_event()
    async with engine.connect() as other:
        await other.execute(text("LOCK TABLE events IN SHARE MODE"))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(Unavailable):
                await store.add(delivered(event_))
        assert engine.pool.checkedout() == 1  # type: ignore[attr-defined] # of the pool that the engine has
    assert await store.get(event_.id) is None
    assert await store.add(delivered(event_)) == [STORED]


async def test_commit_that_takes_too_long_is_given_up(engine: AsyncEngine) -> None:
    """The time of a transaction ends with its commit, not before."""
    store, event_ = PostgresEventStore(engine, settle=0.5), an_event()
    async with engine.begin() as connection:
        for statement in SLOW_COMMIT:
            await connection.execute(text(statement))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(Unavailable):
            await store.add(delivered(event_))
    async with engine.begin() as connection:
        await connection.execute(text("DROP TRIGGER slow ON events"))
    assert await store.get(event_.id) is None
    assert await store.add(delivered(event_)) == [STORED]


async def test_copy_that_its_client_abandoned_is_ended(engine: AsyncEngine, database: Database) -> None:
    """Its process may be frozen, or its network gone: the server itself would wait, and all who write the same ids."""
    store, event_ = PostgresEventStore(engine, settle=0.5), an_event()
    frozen = await connect(database)

    async def rows() -> AsyncIterator[tuple[UUID, str, str]]:
        yield event_.id, "user-1", "LOGIN"
        for _ in range(4_000):
            yield uuid4(), "u" * 200, "LOGIN"
        await asyncio.Event().wait()

    copying = asyncio.create_task(
        frozen.copy_records_to_table("events", columns=["id", "user_id", "event_type"], records=rows())
    )
    await _is_copying(engine)
    with pytest.raises(Unavailable):
        await store.add(delivered(event_))
    assert await store.add(delivered(event_)) == [STORED]
    copying.cancel()
    frozen.terminate()


async def test_an_open_transaction_holds_back_the_settled_time(engine: AsyncEngine) -> None:
    """No longer than it lasts: without one, every row that is there at the time has settled."""
    store = PostgresEventStore(engine, settle=25.0)
    async with engine.connect() as other:
        began: datetime = (await other.execute(text("SELECT CURRENT_TIMESTAMP"))).scalar_one()
        assert await store.settled_until() == began
    asked = datetime.now(began.tzinfo)
    assert asked <= await store.settled_until() <= datetime.now(began.tzinfo)


async def test_sessions_of_other_roles_hold_back_the_settled_time_for_as_long_as_a_batch_may_take(
    roles: list[Database],
) -> None:
    """It is not visible what they do."""
    mine, others = roles
    async with AsyncExitStack() as stack:
        engine = create_engine(mine, application_name="tests", pool_size=1)
        stack.push_async_callback(engine.dispose)
        store = PostgresEventStore(engine, settle=25.0)
        other = await connect(others)
        stack.push_async_callback(other.close)
        async with other.transaction():
            began = await other.fetchval("SELECT CURRENT_TIMESTAMP")
            assert await store.settled_until() < began - timedelta(seconds=20)


async def test_exhausted_pool_is_unavailable_and_wrong_use_is_not(database: Database) -> None:
    """A bug would otherwise be waited for like an outage."""
    engine = create_engine(replace(database, limits=Limits(connect=0.5)), application_name="tests", pool_size=1)
    store = PostgresEventStore(engine, settle=25.0)
    async with engine.connect() as connection:
        with pytest.raises(Unavailable):
            await store.ping()
        with pytest.raises(NoResultFound), translated():
            (await connection.execute(text("SELECT 1 WHERE false"))).one()
    await engine.dispose()


@pytest.mark.parametrize("way", ["COPY", "INSERT"])
async def test_first_and_last_instant_stand_as_sent_in_the_table(engine: AsyncEngine, way: str) -> None:
    """Not as infinite ones."""
    moments = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    events = [an_event(occurred_at=moment) for moment in moments]
    async with engine.begin() as connection:
        add = statements.copy if way == "COPY" else statements.insert
        await add(connection, sorted(delivered(*events), key=lambda delivery: delivery.event.id))
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT occurred_at::text FROM events ORDER BY occurred_at"))
        assert list(found.scalars()) == ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"]


async def test_row_whose_times_no_calendar_holds_is_listed(engine: AsyncEngine) -> None:
    """At the calendar's end, infinite or not; and a walk ends."""
    times = ["infinity", "20000-01-01", "2026-01-01", "4713-01-01 BC", "0044-03-15 BC", "-infinity"]
    async with engine.begin() as connection:
        for moment in times:
            await connection.exec_driver_sql(
                "INSERT INTO events (id, user_id, event_type, created_at, occurred_at) "
                "VALUES (gen_random_uuid(), 'user-1', 'LOGIN', $1::text::timestamp, $1::text::timestamptz)",
                (moment,),
            )
    store = PostgresEventStore(engine, settle=25.0)
    page = await store.page(EventFilter(), None, 10)
    listed = [row.created_at.year for row in page.rows if row.created_at == row.occurred_at and row.created_at]
    assert listed == [9999, 9999, 2026, 1, 1, 1]
    walked = await walk(store, EventFilter(), 1)
    assert {row.created_at.year for row in walked if row.created_at} == {9999, 2026, 1}


@given(moments=st.lists(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))])), min_size=1))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_time_comes_back_as_it_was_sent(engine: AsyncEngine, moments: list[datetime]) -> None:
    """To the microsecond, and the server understands the same."""
    moments = [moment for moment in moments if _is_in_utc(moment)]
    query = (
        "SELECT moment, moment::text AS text, moment AT TIME ZONE 'UTC' AS local "
        "FROM unnest($1::timestamptz[]) AS moment"
    )
    async with engine.connect() as connection:
        for row, moment in zip(await connection.exec_driver_sql(query, (moments,)), moments, strict=True):
            assert (row.moment, row.local, datetime.fromisoformat(row.text)) == (moment, moment, moment)


def _is_in_utc(moment: datetime) -> bool:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True
