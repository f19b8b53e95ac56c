"""Types of one's own, with schemas, through real processes and servers."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.events.event_store import PostgresEventStore
from adapters.records import codec
from domain.errors import Rejected
from domain.event_types import ANY_TYPE, EventTypes, event_type
from tests.support.events import an_event
from tests.support.schema_folders import write
from tests.support.service import Kind
from tests.support.world import World, as_records

JSON = {"content-type": "application/json"}
ORDER = {"type": "object", "required": ["sku"], "properties": {"price": {"type": "number", "minimum": 0}}}
GOOD, BAD = b'{"sku":"a","price":1.50}', b'{"sku":"a","price":-1}'


@pytest.fixture
def stated(tmp_path: Path) -> dict[str, str]:
    """Settings with a type that has a schema, and one whose schema is only counted."""
    folder = write(tmp_path / "schemas", {"ORDER.json": ORDER, "VIEW.json": {**ORDER, "x-on-violation": "accept"}})
    return {"EVENT_TYPES": "LOGIN,SIGNUP", "EVENT_SCHEMAS": str(folder)}


async def test_edge_holds_payloads_to_their_schemas(world: World, stated: dict[str, str]) -> None:
    """A bad one is 422 with its pointer, a good one is stored and listed, and an accepted one is counted."""
    api, _consumer = await asyncio.gather(world.run("api", **stated), world.run("consumer", **stated))

    def request(name: bytes, payload: bytes) -> bytes:
        return b'{"userId":"u","eventType":"%b","payload":%b}' % (name, payload)

    bad = await api.client.post("/events/generate", content=request(b"ORDER", BAD), headers=JSON)
    assert (bad.status_code, bad.json()["errors"]) == (
        422,
        [
            {
                "field": "payload",
                "message": "/price must be at least 0",
                "pointer": "#/payload/price",
                "keyword": "minimum",
            }
        ],
    )
    items = [request(b"ORDER", GOOD), request(b"ORDER", BAD), request(b"VIEW", BAD), request(b"LOGOUT", b"{}")]
    batch = await api.client.post("/events/batch", content=b"[%b]" % b",".join(items), headers=JSON)
    results = batch.json()["results"]
    assert [result["status"] for result in results] == ["published", "rejected", "published", "rejected"]
    await world.stored([UUID(result["eventId"]) for result in results if result["status"] == "published"])
    (row,) = (await api.client.get("/events/processed", params={"eventType": "ORDER"})).json()
    assert (row["event_type"], row["payload"]) == ("ORDER", {"sku": "a", "price": 1.5})
    await api.logged("payloads break their schema and are accepted")
    (line,) = api.lines("payloads break their schema and are accepted")
    assert (line["eventType"], line["keyword"], line["pointer"], line["events"]) == ("VIEW", "minimum", "/price", 1)


async def test_consumer_holds_payloads_to_their_schemas_where_it_is_told(world: World, stated: dict[str, str]) -> None:
    """A violation is a dead letter with its place; so is a type that is not accepted; an accepted one is stored."""
    order, view, login = (event_type(name) for name in ("ORDER", "VIEW", "LOGOUT"))
    good, accepted = an_event(payload=GOOD, event_type=order), an_event(payload=BAD, event_type=view)
    bad, unknown = an_event(payload=BAD, event_type=order), an_event(event_type=login)
    await world.make_topic()
    await world.send(*as_records([good, bad, accepted, unknown]))
    consumer = await world.run("consumer", **stated, SCHEMA_CHECK="both")
    await world.consumed(4)
    assert await world.ids() == {good.id, accepted.id}
    letters = {letter.value: dict(letter.headers) for letter in await world.letters()}
    assert {value: (headers["dlq.kind"], headers["dlq.error.message"]) for value, headers in letters.items()} == {
        codec.encode(bad): (b"invalid", b"payload: /price must be at least 0"),
        codec.encode(unknown): (b"invalid", b"eventType: must be one of LOGIN, SIGNUP, ORDER, VIEW"),
    }
    (line,) = consumer.lines("payloads break their schema and are accepted")
    assert (line["eventType"], line["keyword"], line["pointer"], line["events"]) == ("VIEW", "minimum", "/price", 1)


async def test_consumer_trusts_the_edge_by_default(world: World, stated: dict[str, str]) -> None:
    """It checks the type alone."""
    bad = an_event(payload=BAD, event_type=event_type("ORDER"))
    await world.make_topic()
    await world.send(*as_records([bad]))
    await world.run("consumer", **stated)
    await world.consumed(1)
    assert await world.ids() == {bad.id}


async def test_any_type_is_stored_and_listed(world: World) -> None:
    """If its name is well-formed."""
    stated = {"EVENT_TYPES": "*"}
    api, _consumer = await asyncio.gather(world.run("api", **stated), world.run("consumer", **stated))
    body = b'{"userId":"u","eventType":"shop:cart.add-1"}'
    posted = await api.client.post("/events/generate", content=body, headers=JSON)
    await world.stored([UUID(posted.json()["eventId"])])
    listed = (await api.client.get("/events/processed", params={"eventType": "shop:cart.add-1"})).json()
    assert [row["event_type"] for row in listed] == ["shop:cart.add-1"]


@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_wrong_schemas_end_the_start(world: World, kind: Kind, tmp_path: Path) -> None:
    """All mistakes at once, with file and place, and the exit code of wrong settings."""
    folder = write(tmp_path / "schemas", {"A.json": {"type": "objekt"}, "B.json": "{", "C.json": ORDER})
    process = await world.start(kind, EVENT_SCHEMAS=str(folder))
    assert await process.ended() == 2
    told = [line for line in process.text.splitlines() if not line.startswith("{")]
    assert [line.split(": ")[:2] for line in told] == [
        ["EVENT_SCHEMAS", "A.json#/type"],
        ["EVENT_SCHEMAS", "B.json"],
    ]


async def test_canary_has_an_accepted_type(engine: AsyncEngine) -> None:
    """The table may refuse all others; with any type accepted, one like a stored event is enough."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE events ADD CHECK (event_type = 'ORDER')")
    await PostgresEventStore(engine, EventTypes.of("ORDER"), settle=25.0).probe()
    for types in (EventTypes.of("LOGIN"), ANY_TYPE):
        with pytest.raises(Rejected):
            await PostgresEventStore(engine, types, settle=25.0).probe()
    async with engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO events (id, user_id, event_type, payload) VALUES (gen_random_uuid(), 'u', 'ORDER', '{}')"
        )
    await PostgresEventStore(engine, ANY_TYPE, settle=25.0).probe()
    with pytest.raises(Rejected):
        await PostgresEventStore(engine, EventTypes.of("LOGIN"), settle=25.0).probe()
