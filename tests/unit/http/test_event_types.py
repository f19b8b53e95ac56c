"""The routes and documents of event types."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from application.event_catalog import EventCatalog
from domain.event_types import LEGACY_TYPES, NAME_PATTERN, EventTypes
from entrypoints.http.openapi.document import document
from entrypoints.http.openapi.event_types import encode
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, an_api, call
from tests.support.schema_folders import a_catalog

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["sku"],
    "properties": {"sku": {"type": "string"}, "price": {"$ref": "_money.json"}, "next": {"$ref": "#"}},
    "examples": [{"sku": "it's", "price": 19.99}],
}
FILES: dict[str, object] = {
    "shop:order.json": ORDER,
    "shop.order.json": {"x-on-violation": "accept", "required": ["sku"]},
    "refund.json": {"properties": {"money": {"$ref": "#/$defs/money"}}, "$defs": {"money": {"maximum": 0}}},
    "nothing.json": False,
    "_money.json": '{"type": "number", "multipleOf": 0.01}',
}


@pytest.fixture
def catalog(tmp_path: Path) -> EventCatalog:
    """The legacy types, and four with a schema."""
    return a_catalog(tmp_path, str(LEGACY_TYPES), FILES)


@pytest.fixture
async def typed(catalog: EventCatalog) -> AsyncIterator[Api]:
    """Make an API of the catalog, under a prefix."""
    async with an_api(event_types=catalog, prefix=Prefix("/api")) as api:
        yield api


async def test_types_are_listed_with_their_schemas(typed: Api) -> None:
    """Each link leads to the schema."""
    answer = await typed.client.get("/event-types")
    assert answer.status_code == 200
    assert answer.json() == {
        "acceptsAny": False,
        "types": [
            *({"type": name} for name in LEGACY_TYPES.names),
            {"type": "nothing", "schemaUrl": "/api/event-types/nothing", "onViolation": "reject"},
            {"type": "refund", "schemaUrl": "/api/event-types/refund", "onViolation": "reject"},
            {"type": "shop.order", "schemaUrl": "/api/event-types/shop.order", "onViolation": "accept"},
            {"type": "shop:order", "schemaUrl": "/api/event-types/shop:order", "onViolation": "reject"},
        ],
    }
    for listed in answer.json()["types"]:
        if "schemaUrl" in listed:
            assert (await typed.client.get(listed["schemaUrl"].removeprefix("/api"))).status_code == 200


async def test_any_type_is_listed_as_such(tmp_path: Path) -> None:
    """Those with a schema are listed by name."""
    async with an_api(event_types=a_catalog(tmp_path, "*", {"order.json": True})) as api:
        found = (await api.client.get("/event-types")).json()
        assert (found["acceptsAny"], [each["type"] for each in found["types"]]) == (True, ["order"])
        assert (await api.client.get("/event-types/other")).content == b"{}"
        assert (await api.client.get("/event-types/-")).status_code == 404


async def test_schema_is_complete(typed: Api) -> None:
    """It holds what it refers to in other files, and numbers as they were written."""
    answer = await typed.client.get("/event-types/shop:order")
    assert answer.headers["content-type"] == "application/schema+json"
    assert b'"multipleOf":0.01' in answer.content
    schema = answer.json()
    assert schema["$schema"] == ORDER["$schema"]
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid({"sku": "a", "price": 1, "next": {"sku": "b"}})
    assert not validator.is_valid({"sku": "a", "next": {"sku": "b", "price": "1"}})


@pytest.mark.parametrize(("name", "is_valid"), [("LOGIN", True), ("nothing", False)])
async def test_schema_is_an_object(typed: Api, name: str, is_valid: bool) -> None:
    """Also where there is none, and where it is true or false in its file."""
    schema = (await typed.client.get(f"/event-types/{name}")).json()
    assert isinstance(schema, dict)
    assert jsonschema_rs.is_valid(schema, {}) == is_valid


async def test_unknown_type_gets_404(typed: Api) -> None:
    """The problem names the accepted types."""
    answer = await typed.client.get("/event-types/order")
    assert answer.status_code == 404
    listed = "LOGIN, LOGOUT, PRODUCT_VIEW, nothing, refund, shop.order, shop:order"
    assert answer.json()["detail"] == f"An event type must be one of {listed}."


@pytest.mark.parametrize("path", ["/event-types", "/event-types/LOGIN"])
async def test_routes_support_what_others_do(api: Api, path: str) -> None:
    """HEAD and OPTIONS; no other method, parameter or spelling."""
    whole = await call(api.app, "GET", path)
    head = await call(api.app, "HEAD", path)
    assert (head.status, head.body, head.headers[b"content-length"]) == (200, b"", b"%d" % len(whole.body))
    options = await call(api.app, "OPTIONS", path)
    assert (options.status, options.headers[b"allow"]) == (204, b"GET, HEAD, OPTIONS")
    assert (await call(api.app, "POST", path)).status == 405
    assert (await call(api.app, "GET", path, query=b"a=1")).status == 422
    assert (await call(api.app, "GET", f"/{path}")).status == 404
    assert (await call(api.app, "GET", f"{path}/")).status == 308


def described(catalog: EventCatalog) -> dict[str, Any]:
    """Decode the document of a catalog."""
    found: dict[str, Any] = json.loads(encode(document("", catalog)))
    return found


def test_document_lists_types_and_payloads(catalog: EventCatalog) -> None:
    """Under names that a class may have in any language, references within the document."""
    schemas = described(catalog)["components"]["schemas"]
    assert schemas["EventType"]["enum"] == [*catalog.types.names]
    assert {name for name in schemas if name.startswith("Payload_")} == {
        *("Payload_nothing", "Payload_refund", "Payload_refund_money"),
        *("Payload_shop.order", "Payload_shop_order_2", "Payload_shop_order_2__money"),
    }
    assert schemas["Payload_refund"] == {"properties": {"money": {"$ref": "#/components/schemas/Payload_refund_money"}}}
    assert schemas["Payload_nothing"] == {"not": {}}
    assert schemas["Payload_shop_order_2"]["properties"]["next"] == {
        "$ref": "#/components/schemas/Payload_shop_order_2"
    }


@pytest.mark.parametrize(
    ("event", "is_valid"),
    [
        ({"eventType": "LOGIN", "payload": {"sku": 1}}, True),
        ({"eventType": "other"}, False),
        ({"eventType": "shop:order", "payload": {"sku": "a"}}, True),
        ({"eventType": "shop:order", "payload": {"sku": 1}}, False),
        ({"eventType": "shop:order"}, False),
        ({"eventType": "shop.order", "payload": {}}, True),
        ({"eventType": "refund"}, True),
        ({"eventType": "refund", "payload": None}, True),
        ({"eventType": "refund", "payload": {"money": 1}}, False),
        ({"eventType": "nothing", "payload": {}}, False),
    ],
)
def test_document_says_which_events_are_accepted(catalog: EventCatalog, event: dict[str, Any], is_valid: bool) -> None:
    """A payload by the schema of its type; an absent one and null are an empty object."""
    root = {"$ref": "#/components/schemas/EventInput", **described(catalog)}
    assert jsonschema_rs.is_valid(root, {"userId": "u", **event}) == is_valid


def test_document_of_any_type_has_the_pattern(tmp_path: Path) -> None:
    """The types with a schema are its examples."""
    found = described(a_catalog(tmp_path, "*", {"order.json": True}))["components"]["schemas"]["EventType"]
    assert (found["pattern"], found["examples"]) == ("^[A-Za-z][A-Za-z0-9_.:-]{0,63}$", ["order"])
    assert "examples" not in described(EventCatalog(EventTypes.of("*"), {}))["components"]["schemas"]["EventType"]


@pytest.mark.parametrize(
    ("types", "files", "expected"),
    [
        ("a", {}, [{"userId": "user-42", "eventType": "a"}]),
        ("LOGIN", {}, [{"userId": "user-42", "eventType": "LOGIN"}]),
        ("*", {"LOGIN.json": False}, ["PRODUCT_VIEW"]),
        ("a", {"a.json": ORDER}, [{"userId": "user-42", "eventType": "a", "payload": {"sku": "it's", "price": 19.99}}]),
        ("a", {"a.json": False}, [{"userId": "user-42", "eventType": "a"}]),
    ],
)
def test_examples_are_events_that_are_accepted(
    tmp_path: Path, types: str, files: dict[str, object], expected: list[object]
) -> None:
    """A schema's own examples are payloads; without any event that is accepted, the shortest one is shown."""
    files = {**files, "_money.json": FILES["_money.json"]}
    found = described(a_catalog(tmp_path, types, files))["components"]["schemas"]["EventInput"]["examples"]
    assert [each if isinstance(each, dict) and each in expected else each["eventType"] for each in found] == expected


async def test_events_of_a_removed_type_can_be_listed(api: Api, typed: Api) -> None:
    """By any well-formed name, also after a return to the default list of types."""
    for each in (api, typed):
        answer = await each.client.get("/events/processed?eventType=retired")
        assert (answer.status_code, answer.json()) == (200, [])
        answer = await each.client.get("/events/processed?eventType=no%20name")
        assert [error["field"] for error in answer.json()["errors"]] == ["eventType"]


def test_document_says_which_types_can_be_listed(catalog: EventCatalog) -> None:
    """Any well-formed name, whatever is accepted."""
    for paths in (document()["paths"], described(catalog)["paths"]):
        parameters = paths["/events/processed"]["get"]["parameters"]
        [schema] = [each["schema"] for each in parameters if each["name"] == "eventType"]
        assert schema == {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
