"""The operations on events."""

from entrypoints.http.openapi.responses import RETRY_AFTER, error_responses, header, response
from entrypoints.http.openapi.schemas import EVENT_ID, EVENTS, Schema, ref
from entrypoints.http.responses import JSON
from entrypoints.http.routes.listing import DEFAULT_LIMIT, MAX_LIMIT
from entrypoints.http.routes.rows import CSV, NDJSON_TYPES

_COMPRESSION = "The body may be compressed by gzip, deflate or zstd (`Content-Encoding`); its limit counts inflated."


def generate_event() -> Schema:
    """Describe `POST /events/generate`."""
    location = header("string", "Where the event can be read once it is stored", f"/events/{EVENT_ID}")
    return {
        "tags": ["events"],
        "operationId": "generateEvent",
        "summary": "Publish an event",
        "description": "Answers once the log has the event durably; it appears in the list a moment later. "
        "After a 503 the event may have been published: retry with its `eventId`. " + _COMPRESSION,
        "requestBody": {"required": True, "content": {JSON: {"schema": ref("EventInput"), "example": EVENTS[0]}}},
        "responses": {
            "201": response("The log has the event", {JSON: ref("Published")}, location=location),
            **error_responses(413, 415),
        },
    }


def publish_batch() -> Schema:
    """Describe `POST /events/batch`."""
    lines = {"schema": {"type": "string", "description": "One EventInput in JSON per line; blank lines are ignored"}}
    return {
        "tags": ["events"],
        "operationId": "publishBatch",
        "summary": "Publish many events",
        "description": "The status 200 does not mean that all events were published: check each result. Events of a "
        "user keep their order. MAX_BATCH_EVENTS and MAX_BATCH_BYTES limit a batch. After a 400, 408, 413 or 415 no "
        "event of the batch was published; after a 500 or 503 some may have been. " + _COMPRESSION,
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"type": "array", "items": ref("EventInput")}, "example": EVENTS},
                **dict.fromkeys(NDJSON_TYPES, lines),
            },
        },
        "responses": {
            "200": response(
                "One result for each event; with `Retry-After` if any must be sent again",
                {JSON: ref("BatchResults")},
                **RETRY_AFTER,
            ),
            **error_responses(413, 415),
        },
    }


def list_events() -> Schema:
    """Describe `GET /events/processed`."""
    lines = {"type": "string", "description": "One Event in JSON per line"}
    return {
        "tags": ["events"],
        "operationId": "listEvents",
        "summary": "List stored events, newest first",
        "description": "JSON is paged; NDJSON and CSV stream all matching events. Rows may become visible slightly out "
        "of order: polls with `since` should overlap by some seconds.",
        "parameters": [
            _query(
                "limit",
                {"type": "integer", "minimum": 1},
                f"How many events: for JSON {DEFAULT_LIMIT} unless stated, at most {MAX_LIMIT}, and fewer where "
                "payloads are large; otherwise all.",
            ),
            _query("cursor", {"type": "string"}, "Start of the page, from a `Link` header."),
            _query("userId", {"type": "string", "minLength": 1}, "Only events of this user."),
            _query("eventType", ref("EventType"), "Only events of this type."),
            _query("since", {"type": "string", "format": "date-time"}, "Stored at this time or later."),
            _query("until", {"type": "string", "format": "date-time"}, "Stored before this time."),
            _query("bom", {"type": "string", "enum": ["0", "1"]}, "1: CSV begins with a byte order mark, for Excel."),
        ],
        "responses": {
            "200": response(
                "The events",
                {
                    JSON: {"type": "array", "items": ref("Event")},
                    **dict.fromkeys(NDJSON_TYPES, lines),
                    CSV: {"type": "string", "description": "RFC 4180 with a header row, formulas escaped"},
                },
                link=header(
                    "string",
                    "The next page, if there is one; JSON only",
                    '</events/processed?cursor=…>; rel="next"',
                ),
                vary=header("string", "The request headers that select the response", "Accept, Accept-Encoding"),
                **{
                    "content-disposition": header("string", "CSV only", 'attachment; filename="events.csv"'),
                    "content-encoding": header("string", "gzip or zstd, if `Accept-Encoding` allows it", "zstd"),
                },
            ),
            **error_responses(406),
        },
    }


def get_event() -> Schema:
    """Describe `GET /events/{id}`."""
    return {
        "tags": ["events"],
        "operationId": "getEvent",
        "summary": "Read one stored event",
        "parameters": [_event_id()],
        "responses": {"200": response("The event", {JSON: ref("Event")}), **error_responses(404)},
    }


def _event_id() -> Schema:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}
