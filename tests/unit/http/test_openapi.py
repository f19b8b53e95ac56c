"""The OpenAPI document; that the answers agree with it is checked wherever a test gets one."""

import re
from typing import Any
from uuid import UUID

from litestar import Litestar

from entrypoints.http.requests.event_body import parse
from entrypoints.http.routes.openapi import document
from tests.support.api import Api


def paths(app: Any) -> set[str]:
    """Find all paths: the framework's and those ahead of it."""
    found: set[str] = set()
    while not isinstance(app, Litestar):
        found |= {*getattr(app, "ahead", ())}
        app = app.app
    return found | {route.path for route in app.routes}


async def methods(api: Api, path: str) -> list[str]:
    """Ask a route which methods it takes."""
    answer = await api.client.options(re.sub(r"\{\w+:uuid\}", str(UUID(int=0)), path))
    return answer.headers["allow"].split(", ")


async def test_document_is_served_and_names_every_route(api: Api) -> None:
    """Nothing is missing, nothing is invented."""
    served = (await api.client.get("/docs/openapi.json")).json()
    found = {
        (re.sub(r"\{\w+:uuid\}", "{id}", path), method.lower())
        for path in paths(api.app)
        for method in await methods(api, path)
        if method not in {"HEAD", "OPTIONS"}
    }
    documented = {(path, method) for path, operations in served["paths"].items() for method in operations}
    assert documented == found - {("/docs/openapi.json", "get")}
    assert served["openapi"] == "3.1.0"


async def test_examples_are_accepted(api: Api) -> None:
    """Whoever copies one gets a 201."""
    for example in document()["components"]["schemas"]["NewEvent"]["examples"]:
        response = await api.client.post("/events/generate", json=example)
        assert response.status_code == 201


def test_body_is_read_by_the_keys_that_are_documented() -> None:
    """Each reaches the draft."""
    draft = parse(b'{"userId":1,"eventType":2,"eventId":3,"timestamp":4,"payload":5}')
    assert (draft.user_id, draft.event_type, draft.event_id, draft.timestamp, draft.payload) == (1, 2, 3, 4, b"5")
    assert len(document()["components"]["schemas"]["NewEvent"]["properties"]) == 5


def test_every_reference_leads_somewhere() -> None:
    """A generator of clients would stumble."""
    schemas = document()["components"]["schemas"]

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"].removeprefix("#/components/schemas/")} if "$ref" in value else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(document()) == set(schemas)
