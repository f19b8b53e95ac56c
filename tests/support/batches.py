"""Steps that tests of batches share."""

from typing import Any

from domain.event import UserEvent
from tests.support.api import TOPIC, Api
from tests.support.events import decode

EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"
NDJSON = "application/x-ndjson"
GOOD = b'{"userId":"user-1","eventType":"LOGIN"}'
UNSTORABLE = b'{"userId":"user-1","eventType":"JUMP","eventId":"%s"}' % EVENT_ID.encode()


def published(api: Api) -> list[UserEvent]:
    """Read the events in the log, partition by partition."""
    events = [decode(record) for record in api.log.records(TOPIC)]
    return [event for event in events if isinstance(event, UserEvent)]


def array(*items: bytes) -> bytes:
    """Write a JSON array."""
    return b"[" + b",".join(items) + b"]"


async def results(api: Api, body: bytes, content_type: str = "application/json") -> list[dict[str, Any]]:
    """Post a batch that gets a 200, and return its results."""
    response = await api.post_batch(body, content_type)
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["results"]
    return found
