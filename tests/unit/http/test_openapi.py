"""The OpenAPI document. Each response that a test gets is validated against it elsewhere."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar

import entrypoints.http
from entrypoints.http.openapi.document import document
from entrypoints.http.prefix import Prefix
from entrypoints.http.requests.event_body import parse
from tests.support.api import Api, an_api

OPERATIONS = [
    pytest.param(path, method, id=f"{method} {path}") for path, item in document()["paths"].items() for method in item
]
EVERYWHERE = {"400", "405", "408", "422", "431", "500", "501", "503", "505"}


def paths(app: Any) -> set[str]:
    """Return all paths, of the framework and of direct routes."""
    found: set[str] = set()
    while not isinstance(app, Litestar):
        found |= {path.decode() for path in getattr(app, "direct", ())}
        app = app.app
    return found | {route.path for route in app.routes}


async def methods(api: Api, path: str) -> list[str]:
    """Return the methods that a route supports."""
    answer = await api.client.options(re.sub(r"\{\w+:str\}", str(UUID(int=0)), path))
    return answer.headers["allow"].split(", ")


async def test_served_document_names_every_route_and_method(api: Api) -> None:
    """No route is missing or invented."""
    served = (await api.client.get("/docs/openapi.json")).json()
    found = {
        (re.sub(r"\{(?:\w+_)?(\w+):str\}", r"{\1}", path), method.lower())
        for path in paths(api.app)
        for method in await methods(api, path)
    }
    documented = {(path, method) for path, operations in served["paths"].items() for method in operations}
    assert documented == found
    assert served["openapi"] == "3.1.0"


@pytest.mark.parametrize("prefix", ["", "/a/b"])
async def test_document_contains_prefix_of_proxy(prefix: str) -> None:
    """Otherwise a generated client would call the wrong paths."""
    async with an_api(prefix=Prefix(prefix)) as api:
        served = (await api.client.get("/docs/openapi.json")).json()
    assert served["servers"] == [{"url": prefix or "/"}]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_lists_general_errors(path: str, method: str) -> None:
    """The errors of the server, and 405."""
    assert set(document()["paths"][path][method]["responses"]) >= EVERYWHERE


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_head_and_options_responses_have_no_content(path: str, method: str) -> None:
    """Except for errors."""
    answers = document()["paths"][path][method]["responses"]
    if method == "head":
        assert not [status for status, answer in answers.items() if "content" in answer or "$ref" in answer]
    if method == "options":
        assert "content" not in answers["204"]


def test_every_status_in_code_is_described() -> None:
    """Each status is a response of an operation; only redirects are not."""
    sources = Path(entrypoints.http.__path__[0]).rglob("*.py")
    named = {
        HTTPStatus[name] for source in sources for name in re.findall(r"HTTPStatus\.([A-Z_]+)", source.read_text())
    }
    operations = [operation for item in document()["paths"].values() for operation in item.values()]
    named.remove(HTTPStatus.PERMANENT_REDIRECT)
    assert {str(status.value) for status in named} <= {status for each in operations for status in each["responses"]}


async def test_examples_are_accepted(api: Api) -> None:
    """A copied example gets a 201."""
    for example in document()["components"]["schemas"]["EventInput"]["examples"]:
        response = await api.client.post("/events/generate", json=example)
        assert response.status_code == 201


def test_documented_keys_are_the_ones_that_are_read() -> None:
    """The value of each key is published."""
    draft = parse(b'{"userId":"1","eventType":"2","eventId":"3","timestamp":"4","payload":5}')
    assert (draft.user_id, draft.event_type, draft.event_id, draft.timestamp) == ("1", "2", "3", "4")
    assert draft.payload == b"5"
    assert len(document()["components"]["schemas"]["EventInput"]["properties"]) == 5


def test_no_schema_is_named_like_anothers_constructor() -> None:
    """Go's generator names the constructor of `Event` `NewEvent`."""
    names = set(document()["components"]["schemas"])
    assert names.isdisjoint(f"New{name}" for name in names)


def test_payload_allows_any_keys_and_is_optional() -> None:
    """Otherwise TypeScript allows empty payloads only."""
    event = document()["components"]["schemas"]["EventInput"]
    assert event["properties"]["payload"]["additionalProperties"] is True
    assert "payload" not in event["required"]


def test_every_reference_has_target() -> None:
    """Client generators need them."""
    described = document()
    components = described["components"]
    there = {f"#/components/{kind}/{name}" for kind, named in components.items() for name in named}
    assert set(references(described)) == there


def references(value: Any) -> Iterator[str]:
    """Find every reference below `value`."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)
