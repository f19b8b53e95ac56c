"""Payloads that are in the table already and print far larger than they are: neither a list nor an export breaks."""

import asyncio
import csv
import json
from datetime import timedelta
from io import StringIO
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.postgres.sessions.database import Database
from application.listing import MAX_PRINTED_NUMBERS, EventFilter
from application.ports import Outcome
from tests.contracts.listing_contract import walk
from tests.support.events import NOON, an_event, delivered
from tests.support.postgres import connect
from tests.support.waiting import PATIENCE
from tests.support.world import World

# As another writer would, past every check; a number, how many of them, how many rows.
_INSERT = """
INSERT INTO events (id, user_id, event_type, payload, created_at)
SELECT gen_random_uuid(), 'before', 'LOGIN', ('{"a": [' || repeat($1::text || ',', $2::int) || '1]}')::jsonb,
       TIMESTAMP '2026-11-22 11:00' - make_interval(secs => place)
FROM generate_series(1, $3::int) AS place
"""
_LARGEST = 150_000
"""So many of the longest numbers are more than PostgreSQL can print at all."""


async def stand(engine: AsyncEngine, number: str, count: int, rows: int = 1) -> None:
    """Insert rows whose payload has a number so many times."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_INSERT, (number, count, rows))


async def test_rows_that_would_print_gigabytes_are_listed(engine: AsyncEngine) -> None:
    """Compressed or not, small ones in their thousands, and one that PostgreSQL itself cannot print."""
    await stand(engine, "1e8000", 6_000, 50)
    await stand(engine, "-1.5e-8000", 400, 10)
    await stand(engine, "0e-8000", 100, 10)
    await stand(engine, "1e131071", 1_000)
    await stand(engine, "1e8000", _LARGEST)
    store = PostgresEventStore(engine, settle=25.0)
    own = [an_event(payload=b'{"n":%d}' % number) for number in range(5)]
    await store.add(delivered(*own))
    async with asyncio.timeout(PATIENCE):
        page = await store.page(EventFilter(), None, 100)
        rows = [*page.rows, *(await walk(store, EventFilter(user_id="before"), 1_000))]
    assert {row.id for row in rows} >= {each.id for each in own}
    assert len({row.id for row in rows}) == 77
    markers = {row.id: json.loads(row.payload or "")["$omitted"] for row in rows if "$omitted" in (row.payload or "")}
    assert len(markers) == 62
    assert max(marker["digits"] for marker in markers.values()) >= 8_001 * _LARGEST


async def test_omitted_payload_is_read_by_its_sql(engine: AsyncEngine, database: Database) -> None:
    """As the marker says; and by id the marker is all there is, too."""
    await stand(engine, "1e8000", 1_000)
    store = PostgresEventStore(engine, settle=25.0)
    (row,) = (await store.page(EventFilter(), None, 10)).rows
    assert await store.get(row.id) == row
    psql = await connect(database)
    printed = await psql.fetchval(json.loads(row.payload or "")["$omitted"]["sql"])
    await psql.close()
    assert printed == '{"a": [' + f"1{'0' * 8_000}, " * 1_000 + "1]}"


async def test_duplicates_of_what_prints_gigabytes_are_told(engine: AsyncEngine) -> None:
    """Numbers are compared without being printed."""
    payload = b'{"a":[' + b"1e8000," * _LARGEST + b"1]}"
    await stand(engine, "1e8000", _LARGEST)
    store = PostgresEventStore(engine, settle=25.0)
    (row,) = (await store.page(EventFilter(), None, 10)).rows
    same = an_event("before", payload, event_id=row.id)
    other = an_event("before", payload.replace(b",1]", b",2]"), event_id=row.id)
    async with asyncio.timeout(PATIENCE):
        assert list(await store.check(delivered(same, other))) == [Outcome.DUPLICATE, Outcome.CONFLICT]
        assert await store.add(delivered(other, same)) == [Outcome.CONFLICT, Outcome.DUPLICATE]


async def test_only_large_payloads_take_a_statement_more(engine: AsyncEngine) -> None:
    """What is small is printed along with its row."""
    store = PostgresEventStore(engine, settle=25.0)
    small = [an_event(payload=b'{"a":"%b"}' % (b"x" * 1_000)) for _ in range(100)]
    await store.add(delivered(*small))
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *of: statements.append(of[2]))
    assert len((await store.page(EventFilter(), None, 50)).rows) == 50
    assert len(statements) == 1
    await store.add(delivered(*(an_event(payload=b'{"a":"%b"}' % (b"x" * 5_000)) for _ in range(40))))
    statements.clear()
    page = await store.page(EventFilter(), None, 50)
    assert [len(row.payload or "") for row in page.rows] == [5_009] * 40 + [1_009] * 10
    assert len(statements) == 2


async def test_row_that_is_deleted_while_it_is_listed_is_left_out(engine: AsyncEngine) -> None:
    """Between its reading and the printing of its large payload."""
    store = PostgresEventStore(engine, settle=25.0)
    events = [an_event(payload=b'{"a":"%b"}' % (b"x" * 5_000)) for _ in range(3)]
    await store.add(delivered(*events))
    gone, *rest = (each.id for each in events)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def delete(connection: Connection, _cursor: object, statement: str, *_of: object) -> None:
        if "jsonb_path_query" in statement:
            connection.execute(text("DELETE FROM events WHERE id = :id"), {"id": gone})

    assert {row.id for row in (await store.page(EventFilter(), None, 10)).rows} == set(rest)


_numbers = st.sampled_from(
    [
        *["1e99", "-1e100", "1.7976931348623157e308", "5e-324", "1e8000", "-12345.678e7000", "3.7e-8000", "0e-8000"],
        *["1e131071", "1e-16000", "0", "1", "-2.5", "1e98", "123456789e-12"],
    ]
)


@given(numbers=st.lists(_numbers, min_size=1, max_size=6), count=st.sampled_from([1, 50, 600, 3_000]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_payload_is_omitted_only_where_its_digits_are_too_many(
    engine: AsyncEngine, numbers: list[str], count: int
) -> None:
    """However many of each sort there are; what is small enough not to be looked at prints little as well."""
    event_id = uuid4()
    statement = """
        INSERT INTO events (id, user_id, event_type, payload)
        VALUES ($1, 'u', 'LOGIN', ('{"a": [' || repeat($2::text || ',', $3::int) || '1]}')::jsonb)
    """
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement, (event_id, ",".join(numbers), count))
    row = await PostgresEventStore(engine, settle=25.0).get(event_id)
    assert row is not None
    extremes = sum(_digits(number) for number in numbers) * count
    others = 110 * len(numbers) * count
    if "$omitted" in (row.payload or ""):
        assert extremes + others > MAX_PRINTED_NUMBERS
    elif len(numbers) * count >= 200:
        assert extremes <= MAX_PRINTED_NUMBERS


def _digits(number: str) -> int:
    """Return how many digits an extreme number prints."""
    exponent = int(number.partition("e")[2] or 0)
    return abs(exponent) if abs(exponent) >= 99 else 0


async def test_lists_and_exports_of_the_api_go_on(world: World) -> None:
    """As JSON, as lines and as CSV, with the marker in the payload's place; an event that grows is refused."""
    api, _consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    await world.query(_INSERT.replace("$1::text", "'1e8000'").replace("$2::int", "6000").replace("$3::int", "50"))
    growing = b'{"userId":"u","eventType":"LOGIN","payload":{"a":[%b1]}}' % (b"1e8000," * 6_000)
    good = b'{"userId":"u","eventType":"LOGIN","payload":{"a":1e3}}'
    batch = b"\n".join([growing, good])
    posted = await api.client.post("/events/batch", content=batch, headers={"content-type": "application/x-ndjson"})
    refused, published = posted.json()["results"]
    assert [error["field"] for error in refused["errors"]] == ["payload"]
    await world.stored([UUID(published["eventId"])], perhaps=await world.ids())
    listed = (await api.client.get("/events/processed")).json()
    assert listed[0]["payload"] == {"a": 1_000}
    assert [[*row["payload"]] for row in listed[1:]] == [["$omitted"]] * 50
    shown = (await api.client.get(f"/events/{listed[1]['id']}")).json()
    assert shown == listed[1]
    until = (NOON - timedelta(minutes=30)).isoformat()
    ndjson, as_csv = [
        (await api.client.get("/events/processed", params={"until": until}, headers={"accept": media_type})).text
        for media_type in ("application/x-ndjson", "text/csv")
    ]
    assert [json.loads(line) for line in ndjson.splitlines()] == listed[1:]
    assert [json.loads(row["payload"]) for row in csv.DictReader(StringIO(as_csv))] == [
        row["payload"] for row in listed[1:]
    ]


async def test_canary_like_a_stored_event_whose_payload_prints_gigabytes_is_taken(engine: AsyncEngine) -> None:
    """Where the made-up one violates a rule that real events keep."""
    await stand(engine, "1e8000", _LARGEST)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE events ADD CHECK (user_id <> 'canary')")
    async with asyncio.timeout(PATIENCE):
        await PostgresEventStore(engine, settle=25.0).probe()
