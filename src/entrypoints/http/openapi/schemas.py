"""The JSON Schemas of the API's documents."""

from typing import Any

from domain.event import EventType
from domain.payload_rules import MAX_PAYLOAD_DEPTH, MAX_PRINTED_BYTES
from domain.validation import MAX_USER_ID_CHARS

Schema = dict[str, Any]

EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"


def ref(name: str) -> Schema:
    """Refer to one of the schemas."""
    return ref_to("schemas", name)


def ref_to(kind: str, name: str) -> Schema:
    """Refer to a reusable part of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


_ID: Schema = {"type": "string", "format": "uuid"}
_EVENT_TYPE: Schema = {"type": "string", "enum": [member.value for member in EventType]}
_TIME: Schema = {"type": "string", "format": "date-time"}
_USER_ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_USER_ID_CHARS}

EVENTS: list[Schema] = [
    {"userId": "user-42", "eventType": "LOGIN"},
    {
        "userId": "user-42",
        "eventType": "PRODUCT_VIEW",
        "payload": {"productId": "sku-1", "price": 129.99},
        "eventId": EVENT_ID,
        "timestamp": "2026-01-31T12:00:00Z",
    },
]
"""Examples of what is sent."""

_EVENT_INPUT: Schema = {
    "type": "object",
    "required": ["userId", "eventType"],
    "properties": {
        "userId": {**_USER_ID, "description": "Events of one user keep their order. Without NUL characters."},
        "eventType": ref("EventType"),
        "payload": {
            "type": ["object", "null"],
            "additionalProperties": True,
            "description": "Any object; `{}` if absent, null or `[]`. Kept as a JSON value, not as text: blanks, "
            "the order of keys and how a number is written may change, and of equal keys the last one counts. "
            f"Nested at most {MAX_PAYLOAD_DEPTH} deep, without NUL characters. With exponents written out (1e3 as "
            f"1000) at most {MAX_PRINTED_BYTES} bytes, or twice as many as were sent.",
        },
        "eventId": {
            "type": ["string", "null"],
            "format": "uuid",
            "description": "Made by the service if absent. State it to retry safely: one id is one event. "
            "Neither the nil nor the max UUID.",
        },
        "timestamp": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it happened, by RFC 3339; now if absent.",
        },
    },
    "examples": EVENTS,
}

_PUBLISHED: Schema = {
    "type": "object",
    "required": ["message", "eventId"],
    "properties": {"message": {"type": "string", "enum": ["Event published successfully"]}, "eventId": _ID},
}

_BATCH_RESULTS: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "description": "One for each event of the batch, in its order.",
            "items": ref("BatchResult"),
        }
    },
}

_BATCH_RESULT: Schema = {
    "type": "object",
    "description": "`published`: the log has the event. `rejected`: it never will; `errors` names what is wrong, and "
    "`eventId` is the one that was sent, if it was a good one. `retry`: the log did not confirm the event, which may "
    "yet appear; send it again with this `eventId`, so that it counts once.",
    "required": ["status"],
    "properties": {
        "status": {"type": "string", "enum": ["published", "rejected", "retry"]},
        "eventId": _ID,
        "errors": {"type": "array", "items": ref("FieldError")},
        "detail": {"type": "string"},
    },
}

_EVENT: Schema = {
    "type": "object",
    "required": ["id", "user_id", "event_type", "payload", "created_at", "occurred_at"],
    "properties": {
        "id": _ID,
        "user_id": {"type": "string"},
        "event_type": {"type": "string"},
        "payload": {
            "description": "The object that was sent; null or another value where a foreign writer stored it; an "
            "object with the one key `$omitted` where its numbers would print too many digits."
        },
        "created_at": {**_TIME, "type": ["string", "null"], "description": "When it was stored."},
        "occurred_at": {**_TIME, "type": ["string", "null"], "description": "When it happened; null if nobody knows."},
    },
}

_FIELD_ERROR: Schema = {
    "type": "object",
    "required": ["field", "message"],
    "properties": {
        "field": {"type": "string", "description": "A key of the body, a query parameter, or `body`."},
        "message": {"type": "string"},
    },
}

_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "requestId": {"type": "string"},
        "errors": {"type": "array", "items": ref("FieldError")},
        "eventId": {**_ID, "description": "The event to retry with."},
    },
}

_STATUS: Schema = {"type": "string", "enum": ["UP", "DEGRADED", "DOWN"]}
_PART: Schema = {
    "type": "object",
    "required": ["status", "since"],
    "properties": {
        "status": _STATUS,
        "since": {"type": "string", "format": "date-time", "description": "When it was first seen in this state."},
        "error": {"type": "string", "description": "What is wrong."},
        "detail": {"type": "string", "description": "The cause in full: on the consumer's own port only."},
        "action": {"type": "string", "description": "What is being done, or what goes on without this part."},
    },
}
_LIVENESS: Schema = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": ["UP", "DOWN"]}},
}
_READINESS: Schema = {
    "type": "object",
    "description": "DEGRADED: ready for its own work, but not for all of it, or a person has to act.",
    "required": ["status", "parts"],
    "properties": {"status": _STATUS, "parts": {"type": "object", "additionalProperties": ref("Part")}},
}

SCHEMAS: Schema = {
    "EventInput": _EVENT_INPUT,
    "EventType": _EVENT_TYPE,
    "Published": _PUBLISHED,
    "BatchResults": _BATCH_RESULTS,
    "BatchResult": _BATCH_RESULT,
    "Event": _EVENT,
    "FieldError": _FIELD_ERROR,
    "Problem": _PROBLEM,
    "Liveness": _LIVENESS,
    "Readiness": _READINESS,
    "Part": _PART,
}
