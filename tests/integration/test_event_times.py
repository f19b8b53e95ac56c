"""Times at the calendar's ends and beyond them, from a request or a foreign record to the table and the list."""

import asyncio
import json

from tests.support.poison import record_with
from tests.support.records import NewRecord
from tests.support.world import World

FIRST, LAST = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999999Z"
BEYOND_THE_CALENDAR = 253_402_300_800_000


async def test_first_and_last_instant_are_stored_and_listed_as_sent(world: World) -> None:
    """In the table, in the list and by id."""
    api, _consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    events = [{"userId": "u", "eventType": "LOGIN", "timestamp": moment} for moment in (FIRST, LAST)]
    posted = await api.client.post("/events/batch", json=events)
    first, last = (result["eventId"] for result in posted.json()["results"])
    await world.consumed(2)
    rows = await world.query("SELECT id::text, occurred_at::text AS at FROM events")
    assert {row["id"]: row["at"] for row in rows} == {
        first: "0001-01-01 00:00:00+00",
        last: "9999-12-31 23:59:59.999999+00",
    }
    listed = (await api.client.get("/events/processed")).json()
    alone = [(await api.client.get(f"/events/{event_id}")).json() for event_id in (first, last)]
    for found in (listed, alone):
        assert {row["id"]: row["occurred_at"] for row in found} == {first: FIRST, last: LAST}


async def test_record_time_beyond_the_calendar_is_no_time(world: World) -> None:
    """Where the event states none of its own, which otherwise counts; neither is a dead letter."""
    await world.topics.make(world.topic, message_timestamp_after_max_ms=str(2**63 - 1))
    stating = json.loads(record_with())
    silent = json.loads(record_with(timestamp=None))
    values = [json.dumps(event).encode() for event in (stating, silent)]
    await world.send(*(NewRecord(value, timestamp=BEYOND_THE_CALENDAR) for value in values))
    api, _consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    await world.consumed(2)
    listed = (await api.client.get("/events/processed")).json()
    assert {row["id"]: row["occurred_at"] for row in listed} == {
        stating["eventId"]: stating["timestamp"],
        silent["eventId"]: None,
    }
    assert await world.letters() == []
