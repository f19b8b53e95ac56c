"""Types of one's own at the edge, with and without a schema."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from adapters.schemas.load import load_schemas
from application.event_catalog import EventCatalog
from application.event_loop import LONG_BYTES
from domain.event_types import ANY_TYPE, EventTypes, event_type
from tests.support.api import TOPIC, Api, an_api
from tests.support.events import an_event, delivered
from tests.support.schema_folders import write
from tests.support.schemas import ORDER

SCHEMA = {
    "type": "object",
    "required": ["sku"],
    "properties": {"sku": {"type": "string"}, "price": {"type": "number", "minimum": 0}, "a/b c": {"maxLength": 1}},
}


@pytest.fixture
def catalog(tmp_path: Path) -> EventCatalog:
    """LOGIN, and ORDER_PLACED with a schema, and VIEW with one that only counts."""
    files = {"ORDER_PLACED.json": SCHEMA, "VIEW.json": {**SCHEMA, "x-on-violation": "accept"}}
    schemas = load_schemas(write(tmp_path, files))
    return EventCatalog(EventTypes.of("LOGIN").including(schemas), schemas)


@pytest.fixture
async def api(catalog: EventCatalog) -> AsyncIterator[Api]:
    """An API that accepts these types."""
    async with an_api(event_types=catalog) as made:
        yield made


def body(payload: object, event_type: str = "ORDER_PLACED", **fields: object) -> bytes:
    """Render a request."""
    return json.dumps({"userId": "u", "eventType": event_type, "payload": payload, **fields}).encode()


async def test_good_payload_is_published_as_it_was_sent(api: Api) -> None:
    """The schema changes no byte."""
    payload = b'{ "sku" : "a\\u0062", "price": 1.50, "more": [1e2] }'
    response = await api.post(b'{"userId":"u","eventType":"ORDER_PLACED","payload":%b}' % payload)
    assert response.status_code == 201
    (record,) = api.log.records(TOPIC)
    assert b'"payload":' + payload in (record.value or b"")


async def test_each_violation_is_an_error_with_pointer_and_keyword(api: Api) -> None:
    """It tells what was expected, and no value."""
    response = await api.post(body({"sku": 77_777, "price": -12.5, "a/b c": "secret"}))
    assert response.status_code == 422
    assert response.json()["detail"] == "The request is not valid: see payload."
    assert sorted(response.json()["errors"], key=lambda error: str(error["pointer"])) == [
        {
            "field": "payload",
            "message": "/a~1b c must have at most 1 character",
            "pointer": "#/payload/a~1b%20c",
            "keyword": "maxLength",
        },
        {
            "field": "payload",
            "message": "/price must be at least 0",
            "pointer": "#/payload/price",
            "keyword": "minimum",
        },
        {"field": "payload", "message": "/sku must be a string", "pointer": "#/payload/sku", "keyword": "type"},
    ]
    assert not any(value in response.text for value in ("77777", "12.5", "secret"))
    assert api.log.records(TOPIC) == []


async def test_absent_payload_is_an_empty_object(api: Api) -> None:
    """It may lack what the schema requires; other fields are told as well, without pointers."""
    response = await api.post(b'{"userId":"","eventType":"ORDER_PLACED"}')
    assert response.json()["errors"] == [
        {"field": "userId", "message": "must not be empty"},
        {
            "field": "payload",
            "message": 'must have the member "sku"',
            "pointer": "#/payload",
            "keyword": "required",
        },
    ]


async def test_in_a_batch_that_item_alone_is_rejected(api: Api) -> None:
    """The others are published."""
    own_id = str(uuid4())
    items = [body({"sku": "a"}), body({"sku": 1}, eventId=own_id), body({"sku": 1}, "LOGIN"), body({}, "OTHER")]
    response = await api.post_batch(b"[%b]" % b",".join(items))
    assert response.status_code == 200
    first, second, third, fourth = response.json()["results"]
    assert [each["status"] for each in (first, third)] == ["published", "published"]
    assert second == {
        "status": "rejected",
        "errors": [
            {"field": "payload", "message": "/sku must be a string", "pointer": "#/payload/sku", "keyword": "type"}
        ],
        "eventId": own_id,
    }
    assert fourth["errors"] == [
        {"field": "eventType", "message": "must be one of LOGIN, ORDER_PLACED, VIEW"},
    ]
    assert len(api.log.records(TOPIC)) == 2


async def test_answer_to_a_batch_stays_short(catalog: EventCatalog) -> None:
    """After a thousand errors an item tells one violation, beside all that is wrong with its fields."""
    broken = {"sku": 1, "price": -1, "a/b c": "xx"}
    items = [*[body(broken)] * 400, body(broken, userId="")]
    async with an_api(event_types=catalog, max_batch_events=500) as api:
        response = await api.post_batch(b"[%b]" % b",".join(items))
    errors = [result["errors"] for result in response.json()["results"]]
    assert [len(each) for each in errors] == [*[3] * 334, *[1] * 66, 2]
    assert [each["field"] for each in errors[-1]] == ["userId", "payload"]


async def test_accepted_violation_is_published(api: Api) -> None:
    """As sent."""
    assert (await api.post(body({"price": -1}, "VIEW"))).status_code == 201
    (record,) = api.log.records(TOPIC)
    assert b'"payload":{"price": -1}' in (record.value or b"")


async def test_request_line_counts_accepted_violations(api: Api, catalog: EventCatalog) -> None:
    """Events, not violations; also of a payload that is checked in a thread, and of each request alone."""
    counted = body({"price": -1}, "VIEW")
    large = body({"price": -1, "note": "x" * LONG_BYTES}, "VIEW")
    async with an_api(event_types=catalog, max_body_bytes=len(large)) as wide:
        with capture_logs() as lines:
            await api.post(counted)
            await api.post(body({"sku": "a"}, "VIEW"))
            await api.post_batch(b"[%b,%b,%b]" % (counted, body({"sku": "a"}, "VIEW"), counted))
            await api.post(body({"price": -1}))
            await wide.post(large)
    told = [line.get("accepted_violations") for line in lines if line["event"] == "request"]
    assert told == [1, None, 2, None, 1]


async def test_request_line_names_the_field_alone(api: Api) -> None:
    """A pointer may hold what a client made up."""
    with capture_logs() as lines:
        await api.post(body({"sku": 1}))
    (line,) = [line for line in lines if line["event"] == "request"]
    assert line["fields"] == ["payload"]


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_list_is_filtered_by_type(api: Api, accept: str) -> None:
    """Also by one that is no longer accepted: its stored events must not be out of reach."""
    retired = event_type("RETIRED")
    order, login, old = an_event(event_type=ORDER), an_event(), an_event(event_type=retired)
    await api.store.add(delivered(order, login, old))
    for name, wanted in ((ORDER, order), (retired, old)):
        found = await api.client.get("/events/processed", params={"eventType": name}, headers={"accept": accept})
        rows = found.json() if accept == "application/json" else [json.loads(found.text)]
        assert [row["id"] for row in rows] == [str(wanted.id)]


async def test_any_type_is_published_and_listed() -> None:
    """If its name is well-formed."""
    async with an_api(event_types=EventCatalog(ANY_TYPE, {})) as api:
        assert (await api.post(body({}, "shop:cart.add-1"))).status_code == 201
        refused = await api.post(body({}, "no name"))
        await api.store.add(delivered(an_event(event_type=ANY_TYPE.parse("shop:cart.add-1"))))
        found = await api.client.get("/events/processed", params={"eventType": "shop:cart.add-1"})
    assert [error["field"] for error in refused.json()["errors"]] == ["eventType"]
    assert [row["event_type"] for row in found.json()] == ["shop:cart.add-1"]
