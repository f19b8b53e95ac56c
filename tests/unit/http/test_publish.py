"""`POST /events/generate`: valid and invalid events."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from adapters import wire
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent
from tests.support.api import MAX_BODY_BYTES, TOPIC, Api

EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"


def body(**fields: Any) -> bytes:
    """Render a valid body, changed by `fields`."""
    return json.dumps({"userId": "user-1", "eventType": "LOGIN", **fields}).encode()


def published(api: Api) -> UserEvent:
    """Read the one event in the log."""
    [record] = api.log.records(TOPIC)
    event = wire.decode(record)
    assert isinstance(event, UserEvent)
    return event


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


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/cloudevents+json",
        "application/json; charset=latin-1",
        "application/json, text/plain",
        "application/jsonp",
    ],
)
async def test_other_content_types_get_415(api: Api, content_type: str) -> None:
    """The client must state that the body is JSON."""
    response = await api.post(body(), content_type)
    assert response.status_code == 415
    assert response.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"   ",
        b"{",
        b"{'userId':1}",
        b'{"userId":"u","eventType":"LOGIN"} x',
        b'\xef\xbb\xbf\xef\xbb\xbf{"userId":"u","eventType":"LOGIN"}',
        b'{"userId":"u","eventType":"LOGIN"}\xff',
        b'{"userId":"u","eventType":"LOGIN"\x00}',
        b'{"userId":"\\ud800","eventType":LOGIN}',
        b'{"userId":"\\ud8zz","eventType":"LOGIN"}',
        b'{"userId":"u","payload":' + b"[" * 5_000,
        b'{"userId":"u","payload":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b'{"userId":"u",,"payload":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
async def test_malformed_body_gets_400(api: Api, malformed: bytes) -> None:
    """Malformed JSON never causes a 500."""
    response = await api.post(malformed)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("The body cannot be read: ")


@pytest.mark.parametrize("value", [b"[]", b"1", b"null", b'"text"'])
async def test_json_other_than_object_gets_422(api: Api, value: bytes) -> None:
    """The syntax is valid, the value is not."""
    response = await api.post(value)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["body"]


@pytest.mark.parametrize("event_id", ["00000000-0000-0000-0000-000000000000", "f" * 32])
async def test_nil_and_max_uuid_get_422(api: Api, event_id: str) -> None:
    """They stand for a missing id."""
    response = await api.post(body(eventId=event_id))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["eventId"]


async def test_invalid_event_gets_422_with_every_problem(api: Api) -> None:
    """The client can correct all problems at once."""
    response = await api.post(body(userId=7, eventType="JUMP", eventId="x", timestamp="2026-01-01", payload=[1]))
    assert response.status_code == 422
    fields = [error["field"] for error in response.json()["errors"]]
    assert fields == ["eventId", "userId", "eventType", "timestamp", "payload"]
    assert api.log.records(TOPIC) == []


@pytest.mark.parametrize("payload", [b"null", b"[]", b"[ \r\n\t]"])
async def test_absent_payload_becomes_empty_object(api: Api, payload: bytes) -> None:
    """Null as in a record, or an empty array, which is PHP's empty map."""
    response = await api.post(b'{"userId":"u","eventType":"LOGIN","payload":%b}' % payload)
    assert response.status_code == 201
    assert published(api).payload == b"{}"


async def test_byte_order_mark_is_skipped(api: Api) -> None:
    """Some libraries write one."""
    assert (await api.post(b"\xef\xbb\xbf" + body())).status_code == 201


@pytest.mark.parametrize("payload", [[1], [[]], "text", "", 1, False, {"a": "\0"}])
async def test_payload_that_cannot_be_stored_gets_422(api: Api, payload: object) -> None:
    """It must be an object."""
    response = await api.post(body(payload=payload))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["payload"]


async def test_payload_with_long_printed_numbers_gets_422(api: Api) -> None:
    """Seven kilobytes would print eight megabytes."""
    response = await api.post(b'{"userId":"u","eventType":"LOGIN","payload":{"a":[%b1]}}' % (b"1e8000," * 1_000))
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["payload"]
    assert api.log.records(TOPIC) == []


async def test_body_over_limit_gets_413(api: Api) -> None:
    """The limit applies to the bytes of the body."""
    padding = MAX_BODY_BYTES - len(body())
    assert (await api.post(body() + b" " * padding)).status_code == 201
    assert (await api.post(body() + b" " * (padding + 1))).status_code == 413


async def test_unacknowledged_event_gets_503_with_its_id(api: Api) -> None:
    """The outcome is unknown: only a retry under the same id is safe."""
    api.publisher.outage = Unavailable("no answer from broker-1.internal")
    response = await api.post(body(eventId=EVENT_ID))
    assert response.status_code == 503
    assert response.json()["eventId"] == EVENT_ID
    assert int(response.headers["retry-after"]) > 0
    assert "broker-1" not in response.text


async def test_unacknowledged_event_without_id_gets_503_with_new_id(api: Api) -> None:
    """The log may already have the event with the generated id."""
    api.publisher.outage = Unavailable("no answer")
    assert UUID((await api.post(body())).json()["eventId"]).version == 7


async def test_event_too_large_for_log_gets_413_with_id(api: Api) -> None:
    """The limit of the log differs from that of the api."""
    api.publisher.outage = Rejected("the record is too large")
    response = await api.post(body(eventId=EVENT_ID))
    assert response.status_code == 413
    assert response.json()["eventId"] == EVENT_ID


@pytest.mark.parametrize(("outage", "status"), [(WrongDeployment("no such topic"), 503), (KeyError("secret"), 500)])
async def test_bug_gets_500_without_internals(api: Api, outage: Exception, status: int) -> None:
    """The cause is in the log, not in the response."""
    api.publisher.outage = outage
    response = await api.post(body())
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert str(outage) not in response.text


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
