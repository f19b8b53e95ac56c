"""The OpenAPI document, written by hand: the routes read bytes and send bytes, of which a generator could tell nothing.

The tests hold every answer they get against it.
"""

from functools import cache
from http import HTTPStatus

import msgspec
from litestar import route
from litestar.types import ASGIApp

from domain.event import EventType
from entrypoints.http import problems
from entrypoints.http.responses import JSON, Reply
from entrypoints.http.routes.listing import DEFAULT_LIMIT, MAX_LIMIT
from entrypoints.http.routes.rows import CSV, NDJSON
from entrypoints.http.routes.schemas import EVENT_ID, SCHEMAS, Schema
from entrypoints.release import release

_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "Malformed",
    HTTPStatus.NOT_FOUND: "No such event is stored, or not yet; or the id is no UUID",
    HTTPStatus.NOT_ACCEPTABLE: "None of the media types is acceptable to the client",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or the event is too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Another type, not UTF-8, or compressed by anything but gzip or zstd",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Not valid; `errors` names each field at fault",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug; never caused by a request alone",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now; retry after the seconds in `Retry-After`",
}


@route("/docs/openapi.json", http_method=["GET", "HEAD"])
async def get_openapi() -> ASGIApp:
    """Serve the document."""
    return Reply(HTTPStatus.OK, _rendered())


@cache
def _rendered() -> bytes:
    return msgspec.json.encode(document())


def document() -> Schema:
    """Make the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "User Activity Events",
            "version": release(),
            "description": "User activity events: published to a log, each stored exactly once.",
        },
        "paths": {
            "/events/generate": {"post": _generate_event()},
            "/events/batch": {"post": _publish_batch()},
            "/events/processed": {"get": _list_events()},
            "/events/{id}": {"get": _get_event()},
            "/health": {"get": _alive()},
            "/health/ready": {"get": _ready()},
        },
        "components": {"schemas": SCHEMAS},
    }


def _generate_event() -> Schema:
    return {
        "operationId": "generateEvent",
        "summary": "Publish an event",
        "description": "Answers once the log has the event durably; it appears in the list a moment later. "
        "A 503 may mean that the event was taken all the same: retry with its `eventId`.",
        "parameters": [_content_encoding()],
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref("NewEvent")}}},
        "responses": {
            "201": _answer(
                "The log has the event",
                {JSON: {"schema": _ref("Published")}},
                location=_string(f"/events/{EVENT_ID}", "Where the event can be read once it is stored"),
            ),
            **_refusals(400, 408, 413, 415, 422, 500, 503),
        },
    }


def _publish_batch() -> Schema:
    lines = {"schema": {"type": "string", "description": "One NewEvent as JSON a line; blank lines are ignored"}}
    return {
        "operationId": "publishBatch",
        "summary": "Publish many events",
        "description": "A 200 says nothing about any event: look at each result. A user's events keep their order. "
        "How many events and bytes a batch may have is set by MAX_BATCH_EVENTS and MAX_BATCH_BYTES; nothing of a batch "
        "that is answered with 400, 408, 413 or 415 was published. After a 500 or 503 any of it may have been.",
        "parameters": [_content_encoding()],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"type": "array", "items": _ref("NewEvent")}},
                NDJSON: lines,
                "application/ndjson": lines,
            },
        },
        "responses": {
            "200": _answer(
                "One result for each event",
                {JSON: {"schema": _ref("BatchResults")}},
                **{
                    "retry-after": {"description": "Seconds, if any is to be sent again", "schema": {"type": "integer"}}
                },
            ),
            **_refusals(400, 408, 413, 415, 500, 503),
        },
    }


def _list_events() -> Schema:
    return {
        "operationId": "listEvents",
        "summary": "List stored events, newest first",
        "description": "As JSON by the page; as NDJSON or CSV everything that matches, streamed. Rows become visible "
        "out of order by a moment: who polls with `since` should overlap by some seconds.",
        "parameters": [
            _parameter(
                "limit",
                {"type": "integer", "minimum": 1},
                f"How many events: for JSON {DEFAULT_LIMIT} unless stated, at most {MAX_LIMIT}, and fewer where "
                "payloads are large; otherwise all.",
            ),
            _parameter("cursor", {"type": "string"}, "Where to go on, taken from a `Link` header."),
            _parameter("userId", {"type": "string", "minLength": 1}, "Only this user's."),
            _parameter("eventType", {"type": "string", "enum": [*EventType]}, "Only of this type."),
            _parameter("since", {"type": "string", "format": "date-time"}, "Stored at this time or later."),
            _parameter("until", {"type": "string", "format": "date-time"}, "Stored before this time."),
        ],
        "responses": {
            "200": _answer(
                "The events",
                {
                    JSON: {"schema": {"type": "array", "items": _ref("Event")}},
                    NDJSON: {"schema": {"type": "string", "description": "One Event as JSON a line"}},
                    CSV: {"schema": {"type": "string", "description": "RFC 4180 with a header line"}},
                },
                link=_string('</events/processed?cursor=…>; rel="next"', "The next page, if there is one; JSON only"),
            ),
            **_refusals(400, 406, 422, 500, 503),
        },
    }


def _get_event() -> Schema:
    event_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    return {
        "operationId": "getEvent",
        "summary": "Read one stored event",
        "parameters": [event_id],
        "responses": {"200": _answer("The event", {JSON: {"schema": _ref("Event")}}), **_refusals(400, 404, 500, 503)},
    }


def _alive() -> Schema:
    up = {"type": "object", "required": ["status"], "properties": {"status": {"const": "UP"}}}
    return {
        "operationId": "alive",
        "summary": "Is the process alive?",
        "responses": {"200": _answer("It is", {JSON: {"schema": up}})},
    }


def _ready() -> Schema:
    readiness = {JSON: {"schema": _ref("Readiness")}}
    return {
        "operationId": "ready",
        "summary": "Is the process ready for work, and its parts?",
        "responses": {
            "200": _answer("It is, in full (UP) or in part (DEGRADED)", readiness),
            "503": _answer("It is not (DOWN)", readiness),
        },
    }


def _answer(description: str, content: Schema, **headers: Schema) -> Schema:
    request_id = {"x-request-id": _string("0198f3c0", "The request's X-Request-ID, or one made for it")}
    return {"description": description, "headers": {**request_id, **headers}, "content": content}


def _refusals(*statuses: int) -> dict[str, Schema]:
    content = {problems.MEDIA_TYPE: {"schema": _ref("Problem")}}
    extra = {HTTPStatus.SERVICE_UNAVAILABLE: _retry_after("Seconds")}
    return {
        str(status): _answer(_PROBLEMS[HTTPStatus(status)], content, **extra.get(HTTPStatus(status), {}))
        for status in statuses
    }


def _retry_after(description: str) -> Schema:
    return {"retry-after": {"description": description, "schema": {"type": "integer"}}}


def _content_encoding() -> Schema:
    return {
        "name": "content-encoding",
        "in": "header",
        "schema": {"type": "string", "enum": ["gzip", "zstd"]},
        "description": "If the body is compressed. Its limit counts for what it is inflated to; gzip in one member.",
    }


def _parameter(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _string(example: str, description: str) -> Schema:
    return {"description": description, "schema": {"type": "string"}, "example": example}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
