"""`POST /events/generate`: valid events."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.support.api import TOPIC, Api
from tests.support.publishing import EVENT_ID, body, published


async def test_valid_event_gets_201_with_id_and_location(api: Api) -> None:
    """The response of the legacy service, with the `Location` of the event."""
    response = await api.post(body())
    event = published(api)
    assert response.status_code == 201
    assert response.json() == {"message": "Event published successfully", "eventId": str(event.id)}
    assert response.headers["location"] == f"/events/{event.id}"
    assert event.id.version == 7


async def test_payload_is_published_byte_for_byte(api: Api) -> None:
    """White space, number formats, duplicate keys and escapes do not change."""
    payload = b'{ "a" : 1.50,  "b":[1e2, 12345678901234567890123],"c":"\\u00e9\xc3\xa9", "c":null }'
    await api.post(b'{"userId":"u","eventType":"LOGIN","payload":  ' + payload + b" }")
    assert published(api).payload == payload


async def test_stated_id_and_time_are_kept(api: Api) -> None:
    """The client's own id makes its retries safe."""
    response = await api.post(body(eventId=EVENT_ID, timestamp="2026-01-31T12:00:00+02:00"))
    assert response.json()["eventId"] == EVENT_ID
    assert published(api).id == UUID(EVENT_ID)
    assert published(api).occurred_at == datetime(2026, 1, 31, 10, tzinfo=UTC)


async def test_null_fields_are_absent_and_unknown_keys_ignored(api: Api) -> None:
    """Some clients send all fields, or additional ones."""
    response = await api.post(body(eventId=None, timestamp=None, colour="red"))
    assert response.status_code == 201
    assert published(api).payload == b"{}"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON ;charset="UTF-8"',
        "application/json;v=1",
    ],
)
async def test_json_content_type_is_accepted_in_any_spelling(api: Api, content_type: str) -> None:
    """Media types are case-insensitive and may have parameters."""
    assert (await api.post(body(), content_type)).status_code == 201


@pytest.mark.parametrize("payload", [b"null", b"[]", b"[ \r\n\t]"])
async def test_absent_payload_becomes_empty_object(api: Api, payload: bytes) -> None:
    """Null as in a record, or an empty array, which is PHP's empty map."""
    response = await api.post(b'{"userId":"u","eventType":"LOGIN","payload":%b}' % payload)
    assert response.status_code == 201
    assert published(api).payload == b"{}"


async def test_byte_order_mark_is_skipped(api: Api) -> None:
    """Some libraries write one."""
    assert (await api.post(b"\xef\xbb\xbf" + body())).status_code == 201


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("nonsense", False),
    ],
)
async def test_record_has_traceparent_of_request(api: Api, given: str, kept: bool) -> None:
    """As a record header, so that the consumer can link to it; an invalid trace is ignored."""
    response = await api.post(body(), traceparent=given)
    assert response.status_code == 201
    await api.post(body())
    traces = [dict(record.headers).get("traceparent") for record in api.log.records(TOPIC)]
    assert sorted(traces, key=bool) == ([None, given.encode()] if kept else [None, None])
