"""The event types in force, and the schemas of their payloads, as parts of the OpenAPI document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from application.event_catalog import EventCatalog, PublishedSchema
from domain.event_types import EventType
from entrypoints.http.openapi.dead_letter_schemas import LETTER_SCHEMAS
from entrypoints.http.openapi.schemas import EVENTS, SCHEMAS, TYPE_NAME, Schema, ref

_SCHEMAS: Schema = {**SCHEMAS, **LETTER_SCHEMAS}
_MAX_EXAMPLES = 3
_ANOTHER_EXAMPLE = EventType("order")
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """Write a part of the document as JSON; a `Decimal` keeps its digits."""
    return _encoder.encode(value)


def as_object(schema: object) -> Schema:
    """Write `true` and `false` as the objects that mean the same: generators of clients want a schema to be one."""
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def schemas_of(catalog: EventCatalog) -> Schema:
    """Return all schemas of the document, where types are accepted or have schemas of their own."""
    names, payloads = _payloads(catalog)
    event: Schema = {**SCHEMAS["EventInput"], "examples": examples(catalog)}
    if names:
        # Generators of clients read past conditions: the class of an event stays the same.
        event["allOf"] = [_condition(catalog, event_type, name) for event_type, name in names.items()]
    return {**_SCHEMAS, "EventInput": event, "EventType": _event_type(catalog), **payloads}


def examples(catalog: EventCatalog) -> Sequence[Schema]:
    """Return the bodies of requests that are accepted; payloads come from the `examples` of schemas."""
    found = [event for event in (*EVENTS, *_own_examples(catalog)) if _is_accepted(catalog, event)]
    different = [event for index, event in enumerate(found) if event not in found[:index]]
    return different[:_MAX_EXAMPLES] or [_example(next(iter(catalog.types.names), _ANOTHER_EXAMPLE))]


def _event_type(catalog: EventCatalog) -> Schema:
    if not catalog.types.accepts_any:
        return {"type": "string", "enum": [*catalog.types.names]}
    return TYPE_NAME | ({"examples": [*catalog.types.names]} if catalog.types.names else {})


def _payloads(catalog: EventCatalog) -> tuple[Mapping[EventType, str], Schema]:
    """Return the names of the types' schemas, and these with the definitions that they refer to."""
    taken = {*map(_letters, _SCHEMAS)}
    names = {event_type: _unique(f"Payload_{event_type}", taken) for event_type in catalog.schemas}
    payloads: Schema = {}
    for event_type, name in names.items():
        payloads |= _payload(catalog.schemas[event_type], name, taken)
    return names, payloads


def _payload(schema: PublishedSchema, name: str, taken: set[str]) -> Schema:
    """Return a schema under its name, and its definitions under names of their own."""
    names: dict[str, str] = {}

    def place(definition: str) -> str:
        if definition not in names:
            names[definition] = _unique(f"{name}_{definition}", taken)
        return str(ref(names[definition])["$ref"])

    root = as_object(schema.bundled(ref(name)["$ref"], place))
    definitions = {names[definition]: as_object(inner) for definition, inner in root.get("$defs", {}).items()}
    return {name: {key: value for key, value in root.items() if key not in {"$schema", "$defs"}}, **definitions}


def _condition(catalog: EventCatalog, event_type: EventType, name: str) -> Schema:
    """Say which payload an event of a type has; an absent one and null are read as `{}`."""
    schema = catalog.schemas[event_type]
    event: Schema
    if not schema.rejects:
        event = {"properties": {"payload": {"anyOf": [ref(name), {}]}}}
    elif schema.violations(b"{}"):
        event = {"properties": {"payload": ref(name)}, "required": ["payload"]}
    else:
        event = {"properties": {"payload": {"anyOf": [ref(name), {"type": "null"}]}}}
    return {"if": {"properties": {"eventType": {"const": event_type}}, "required": ["eventType"]}, "then": event}


def _own_examples(catalog: EventCatalog) -> Iterator[Schema]:
    for event_type, schema in catalog.schemas.items():
        for payload in as_object(schema.bundled()).get("examples", ()):
            yield {**_example(event_type), "payload": payload}
    for event_type in catalog.types.names:
        yield _example(event_type)


def _example(event_type: EventType) -> dict[str, Any]:
    return {"userId": "user-42", "eventType": event_type}


def _is_accepted(catalog: EventCatalog, event: Schema) -> bool:
    try:
        schema = catalog.schemas.get(catalog.types.parse(event["eventType"]))
    except ValueError:
        return False
    payload = event.get("payload", {})
    return isinstance(payload, dict) and (schema is None or not schema.violations(encode(payload)))


def _unique(wanted: str, taken: set[str]) -> str:
    """Make a component's name that differs from others in letters and digits, of which generators name classes."""
    plain = re.sub(r"[^\w.-]", "_", wanted, flags=re.ASCII)
    name, number = plain, 2
    while _letters(name) in taken:
        name, number = f"{plain}_{number}", number + 1
    taken.add(_letters(name))
    return name


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
