"""`POST /events/generate`: invalid events, and outages of the log."""

from uuid import UUID

import pytest

from domain.errors import Rejected, Unavailable, WrongDeployment
from tests.support.api import MAX_BODY_BYTES, TOPIC, Api
from tests.support.publishing import EVENT_ID, body


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
    """They mean a missing id."""
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
