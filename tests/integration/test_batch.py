"""`POST /events/batch` of a real process, whose events go through Kafka into the table."""

import gzip
import json
from collections.abc import Callable
from uuid import UUID

import pytest

from tests.support.bombs import empty_members, gzip_bomb, window_bomb, zstd
from tests.support.world import World

MIB = 1024 * 1024


def event(number: int) -> bytes:
    """Write an event of one of seven users; its payload has the number."""
    return b'{"userId":"user-%d","eventType":"PRODUCT_VIEW","payload": {"n": %d}}' % (number % 7, number)


@pytest.mark.parametrize(("encoding", "compress"), [("identity", bytes), ("gzip", gzip.compress), ("zstd", zstd)])
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
async def test_largest_batch_is_published_in_order(
    world: World, content_type: str, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """In both formats and any encoding; invalid events do not affect others."""
    api = await world.run("api")
    items = [event(number) for number in range(1_000)]
    items[1], items[500] = b'{"userId":"user-1","eventType":"BUY"}', b'"no object"'
    body = b"[" + b",".join(items) + b"]" if content_type == "application/json" else b"\r\n".join(items)
    headers = {"content-type": content_type, "content-encoding": encoding}
    answer = await api.client.post("/events/batch", content=compress(body), headers=headers)

    results = answer.json()["results"]
    assert [result["status"] for result in results if result["status"] != "published"] == ["rejected", "rejected"]
    assert [place for place, result in enumerate(results) if result["status"] == "rejected"] == [1, 500]
    records = [record.value for record in await world.records() if record.value is not None]
    assert {json.loads(record)["eventId"] for record in records} == {
        result["eventId"] for result in results if result["status"] == "published"
    }
    for user in range(7):
        of_user = [json.loads(record) for record in records if b'"user-%d"' % user in record]
        numbers = [record["payload"]["n"] for record in of_user]
        assert numbers == [n for n in range(1_000) if n % 7 == user and n not in {1, 500}]


async def test_events_of_a_batch_are_stored(world: World) -> None:
    """Each with the id of its result."""
    api, _ = await world.run("api"), await world.run("consumer")
    headers = {"content-type": "application/x-ndjson"}
    answer = await api.client.post("/events/batch", content=b"\n".join(map(event, range(20))), headers=headers)
    await world.stored([UUID(result["eventId"]) for result in answer.json()["results"]])


async def test_decompression_bombs_get_413_and_process_survives(world: World) -> None:
    """Valid batches are still published."""
    api = await world.run("api")
    for encoding, bomb, status in (
        ("gzip", gzip_bomb(1024 * MIB), 413),
        ("gzip", empty_members(4 * MIB), 400),
        ("zstd", window_bomb(27, 1024 * MIB), 413),
        ("zstd", window_bomb(31, MIB), 400),
    ):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        answer = await api.client.post("/events/batch", content=bomb, headers=headers)
        assert answer.status_code == status
    assert (await api.client.post("/events/batch", json=[])).json() == {"results": []}
    assert await world.records() == []
