"""The paths of events and of their types."""

from collections.abc import Sequence

from entrypoints.http.openapi.operations import get, post
from entrypoints.http.openapi.responses import RETRY_AFTER, header, response
from entrypoints.http.openapi.schemas import EVENT_ID, STRING, TIME, TYPE_NAME, Schema, ref
from entrypoints.http.responses import JSON
from entrypoints.http.routes.event_types import SCHEMA_JSON
from entrypoints.http.routes.listing import DEFAULT_LIMIT, MAX_LIMIT
from entrypoints.http.routes.rows import CSV, NDJSON_TYPES

_COMPRESSION = "The body may be compressed by gzip, deflate or zstd (`Content-Encoding`); its limit counts inflated."
_INPUT_LINES: Schema = {"schema": {**STRING, "description": "One EventInput in JSON per line; blank lines are ignored"}}
_LINES: Schema = {**STRING, "description": "One Event in JSON per line"}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def publishing_paths(examples: Sequence[Schema]) -> Schema:
    """Describe the paths that publish events; `examples` are some in JSON, one at least."""
    return {
        "/events/generate": post(
            "events",
            "generateEvent",
            "Publish an event",
            {
                "201": response(
                    "The log has the event",
                    {JSON: ref("Published")},
                    {"location": header("Where the event can be read once it is stored", f"/events/{EVENT_ID}")},
                )
            },
            errors=(413, 415),
            description="Answers once the log has the event durably; it appears in the list a moment later. "
            "After a 503 the event may have been published: retry with its `eventId`. " + _COMPRESSION,
            requestBody={"required": True, "content": {JSON: {"schema": ref("EventInput"), "example": examples[0]}}},
        ),
        "/events/batch": post(
            "events",
            "publishBatch",
            "Publish many events",
            {
                "200": response(
                    "One result for each event; with `Retry-After` if any must be sent again",
                    {JSON: ref("BatchResults")},
                    RETRY_AFTER,
                )
            },
            errors=(413, 415),
            description="The status 200 does not mean that all events were published: check each result. Events of a "
            "user keep their order. MAX_BATCH_EVENTS and MAX_BATCH_BYTES limit a batch. After a 400, 408, 413 or 415 "
            "no event of the batch was published; after a 500 or 503 some may have been. " + _COMPRESSION,
            requestBody={
                "required": True,
                "content": {
                    JSON: {"schema": {"type": "array", "items": ref("EventInput")}, "example": [*examples]},
                    **dict.fromkeys(NDJSON_TYPES, _INPUT_LINES),
                },
            },
        ),
    }


READING_PATHS: Schema = {
    "/events/processed": get(
        "events",
        "listEvents",
        "List stored events, newest first",
        {
            "200": response(
                "The events",
                {
                    JSON: {"type": "array", "items": ref("Event")},
                    **dict.fromkeys(NDJSON_TYPES, _LINES),
                    CSV: {**STRING, "description": "RFC 4180 with a header row, formulas escaped"},
                },
                {
                    "link": header(
                        "The next page, if there is one; JSON only", '</events/processed?cursor=…>; rel="next"'
                    ),
                    "vary": header("The request headers that select the response", "Accept, Accept-Encoding"),
                    "content-disposition": header("CSV only", 'attachment; filename="events.csv"'),
                    "content-encoding": header("gzip or zstd, if `Accept-Encoding` allows it", "zstd"),
                },
            )
        },
        errors=(406,),
        description="JSON is paged; NDJSON and CSV stream all matching events. Rows may become visible slightly "
        "out of order: polls with `since` should overlap by some seconds.",
        parameters=[
            _query(
                "limit",
                {"type": "integer", "minimum": 1},
                f"How many events: for JSON {DEFAULT_LIMIT} unless stated, at most {MAX_LIMIT}, and fewer where "
                "payloads are large; otherwise all.",
            ),
            _query("cursor", STRING, "Start of the page, from a `Link` header."),
            _query("userId", {**STRING, "minLength": 1}, "Only events of this user."),
            _query("eventType", TYPE_NAME, "Only events of this type, also of one that is no longer accepted."),
            _query("since", TIME, "Stored at this time or later."),
            _query("until", TIME, "Stored before this time."),
            _query("bom", {**STRING, "enum": ["0", "1"]}, "1: CSV begins with a byte order mark, for Excel."),
        ],
    ),
    "/events/{id}": get(
        "events",
        "getEvent",
        "Read one stored event",
        {"200": response("The event", {JSON: ref("Event")})},
        errors=(404,),
        parameters=[{"name": "id", "in": "path", "required": True, "schema": {**STRING, "format": "uuid"}}],
    ),
}

TYPE_PATHS: Schema = {
    "/event-types": get(
        "events",
        "listEventTypes",
        "List the accepted event types",
        {"200": response("The types", {JSON: ref("EventTypes")})},
    ),
    "/event-types/{type}": get(
        "events",
        "getPayloadSchema",
        "Read the JSON Schema of a type's payloads",
        {
            "200": response(
                "The schema, with all it refers to", {SCHEMA_JSON: {"type": "object", "additionalProperties": True}}
            )
        },
        errors=(404,),
        description="JSON Schema 2020-12. A type without a schema takes any payload: its schema is `{}`.",
        parameters=[{"name": "type", "in": "path", "required": True, "schema": ref("EventType")}],
    ),
}
