"""From a request to a row and back, through both processes; what is delivered again counts once."""

import asyncio
import json
from datetime import UTC
from uuid import UUID, uuid4

from adapters.records import codec
from tests.support.events import LOGOUT, an_event
from tests.support.waiting import eventually
from tests.support.world import World, as_records


async def test_a_posted_event_is_a_record_then_a_row_then_listed(world: World) -> None:
    """The record has the legacy service's bytes, the row the event, and both ways of reading show it."""
    api, _consumer = await asyncio.gather(world.run("api"), world.run("consumer"))
    payload = b'{ "page" : "/home" , "n" : 1.50 }'
    body = b'{"userId":"Zo\xc3\xab","eventType":"PRODUCT_VIEW","payload":%s}' % payload
    posted = await api.client.post("/events/generate", content=body, headers={"content-type": "application/json"})
    event_id = posted.json()["eventId"]
    assert (posted.status_code, posted.headers["location"]) == (201, f"/events/{event_id}")

    await world.stored([UUID(event_id)])
    (record,) = await world.records()
    timestamp = json.loads(record.value)["timestamp"]
    assert record.value == (
        b'{"eventId":"%s","userId":"Zo\xc3\xab","eventType":"PRODUCT_VIEW","timestamp":"%s","payload":%s}'
        % (event_id.encode(), timestamp.encode(), payload)
    )
    assert (record.key, record.headers) == ("Zoë".encode(), (("content-type", b"application/json"),))

    (row,) = await world.query("SELECT * FROM events")
    assert (row["user_id"], row["event_type"]) == ("Zoë", "PRODUCT_VIEW")
    assert (row["log_partition"], row["log_offset"]) == (record.partition, record.offset)
    shown = (await api.client.get(f"/events/{event_id}")).json()
    assert shown == {
        "id": event_id,
        "user_id": "Zoë",
        "event_type": "PRODUCT_VIEW",
        "payload": {"page": "/home", "n": 1.5},
        "created_at": codec.render_time(row["created_at"].replace(tzinfo=UTC)),
        "occurred_at": timestamp,
    }
    assert (await api.client.get("/events/processed")).json() == [shown]
    await world.consumed(1)


async def test_an_event_twice_in_a_batch_is_stored_once_and_counted(world: World) -> None:
    """The second one is only logged."""
    first, second = an_event(), an_event()
    await world.make_topic()
    await world.send(*as_records([first, first, second]))
    consumer = await world.run("consumer")
    await world.consumed(3)
    assert await world.ids() == {first.id, second.id}
    assert [line["eventId"] for line in consumer.lines("event is a duplicate")] == [str(first.id)]
    assert await world.letters() == []


async def test_an_event_of_an_earlier_batch_is_stored_once_and_counted(world: World) -> None:
    """The row stays as it was, with the place of the first delivery."""
    event = an_event()
    consumer = await world.run("consumer")
    await world.send(*as_records([event]))
    await world.consumed(1)
    before = await world.query("SELECT * FROM events")
    await world.send(*as_records([event]))
    await world.consumed(2)
    assert await world.query("SELECT * FROM events") == before
    assert [line["offset"] for line in consumer.lines("event is a duplicate")] == [1]
    assert await world.letters() == []


async def test_events_that_two_processes_read_at_once_are_stored_once(world: World) -> None:
    """Each partition has all events, in opposite orders, and a consumer of its own: one of them stores each event."""
    events = [an_event() for _ in range(500)]
    await world.make_topic(partitions=2)
    consumers = await asyncio.gather(world.run("consumer", BATCH_SIZE="50"), world.run("consumer", BATCH_SIZE="50"))
    await asyncio.gather(
        world.send(*[record._replace(partition=0) for record in as_records(events)]),
        world.send(*[record._replace(partition=1) for record in as_records(events[::-1])]),
    )
    await world.consumed(1000)
    assert await world.ids() == {event.id for event in events}

    async def all_is_logged() -> bool:
        return (
            sum(len(each.lines("event stored")) + len(each.lines("event is a duplicate")) for each in consumers) == 1000
        )

    await eventually(all_is_logged, "a line for each delivery")
    assert sum(len(each.lines("event stored")) for each in consumers) == 500
    assert {line["partition"] for each in consumers for line in each.lines("event is a duplicate")} <= {0, 1}
    assert await world.letters() == []


async def test_another_event_under_a_taken_id_is_a_conflict(world: World) -> None:
    """The first event is stored and the others are dead letters, whatever differs, in the same batch or a later one."""
    taken = uuid4()
    first = an_event(event_id=taken)
    others = [
        an_event(event_id=taken, user_id="user-2"),
        an_event(event_id=taken, event_type=LOGOUT),
        an_event(event_id=taken, payload=b'{"page":"/"}'),
    ]
    await world.make_topic()
    await world.send(*as_records([first, others[0]]))
    await world.run("consumer")
    await world.consumed(2)
    await world.send(*as_records(others[1:]))
    await world.consumed(4)
    (row,) = await world.query("SELECT * FROM events")
    assert (row["user_id"], row["log_offset"]) == (first.user_id, 0)
    letters = await world.letters()
    assert sorted(letter.value for letter in letters) == sorted(codec.encode(event) for event in others)
    assert {(dict(letter.headers)["dlq.kind"], dict(letter.headers)["dlq.event-id"]) for letter in letters} == {
        (b"conflict", str(taken).encode())
    }
