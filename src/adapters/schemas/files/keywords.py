"""The keywords of JSON Schema 2020-12, and which of them hold schemas."""

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from adapters.schemas.files.json_text import Json, join

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ON_VIOLATION = "x-on-violation"
EXTENSION = "x-"
"""Begins the names of keywords that only people and other tools read."""

IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Their schemas apply to the value itself."""
CHILDREN = frozenset(
    {
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"),
        *("prefixItems", "items", "contains", "unevaluatedItems"),
    }
)
"""Their schemas apply to members, items or names of the value."""
DEFINITIONS = frozenset({"$defs", "definitions", "contentSchema"})
"""Their schemas apply to nothing by themselves."""

_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_HOLDING_SCHEMAS = IN_PLACE | CHILDREN | DEFINITIONS

_ASSERTIONS = frozenset(
    {
        *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems"),
        *("maxContains", "minContains", "maxProperties", "minProperties", "required", "dependentRequired"),
    }
)
_ANNOTATIONS = frozenset(
    {
        *("$schema", "$id", "$ref", "$anchor", "$comment", "title", "description", "default", "examples"),
        *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"),
    }
)
KNOWN = _HOLDING_SCHEMAS | _ASSERTIONS | _ANNOTATIONS
_CHECKING = _ASSERTIONS | IN_PLACE | CHILDREN

REFUSED = {
    "$dynamicRef": "is not supported: use $ref",
    "$dynamicAnchor": "is not supported: use $anchor",
    "$recursiveRef": "is of draft 2019-09: use $ref",
    "$recursiveAnchor": "is of draft 2019-09: use $anchor",
    "$vocabulary": "is not supported: it belongs into meta-schemas",
    "additionalItems": "is of an older draft: use items beside prefixItems",
    "dependencies": "is of an older draft: use dependentRequired or dependentSchemas",
    "divisibleBy": "is of an older draft: use multipleOf",
    "id": "is of an older draft: use $id",
    "nullable": "is of OpenAPI 3.0: name null in type",
}
"""Keywords that other dialects know, which would check nothing, with what to use instead."""

FORMATS = frozenset(
    {
        *("date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6"),
        *("uri", "uri-reference", "iri", "iri-reference", "uri-template", "uuid", "regex"),
        *("json-pointer", "relative-json-pointer"),
    }
)


def stands_for(schema: Json) -> str:
    """Return what a schema refers to, if it checks nothing else; empty if it does."""
    if not isinstance(schema, dict) or any(keyword in _CHECKING for keyword in schema):
        return ""
    return str(schema.get("$ref", ""))


class Inner(NamedTuple):
    """A schema inside another one; `pointer` is relative to that one."""

    keyword: str
    name: str
    """Its name in a map of schemas, its index in a list, or empty."""
    pointer: str
    schema: Json

    @property
    def place(self) -> str:
        """Return what its place in a folder appends to that of the schema which holds it."""
        return quote(self.pointer)


def inner_schemas(schema: dict[str, Json]) -> Iterator[Inner]:
    """Yield the schemas that a schema holds directly; of a keyword of a wrong shape, none."""
    for keyword in schema.keys() & _HOLDING_SCHEMAS:
        value = schema[keyword]
        pointer = f"/{keyword}"
        if keyword in _MAPS:
            if isinstance(value, dict):
                yield from (Inner(keyword, name, join(pointer, name), inner) for name, inner in value.items())
        elif keyword in _LISTS:
            if isinstance(value, list):
                yield from (Inner(keyword, str(i), f"{pointer}/{i}", inner) for i, inner in enumerate(value))
        else:
            yield Inner(keyword, "", pointer, value)


def with_inner_schemas(schema: dict[str, Json], change: Callable[[Json], Json]) -> dict[str, Json]:
    """Copy a schema with the schemas that it holds directly changed; a keyword of a wrong shape stays as it is."""
    copied: dict[str, Json] = {}
    for keyword, value in schema.items():
        if keyword in _MAPS and isinstance(value, dict):
            copied[keyword] = {name: change(inner) if _is_schema(inner) else inner for name, inner in value.items()}
        elif keyword in _LISTS and isinstance(value, list):
            copied[keyword] = [change(inner) if _is_schema(inner) else inner for inner in value]
        elif keyword in _HOLDING_SCHEMAS and _is_schema(value):
            copied[keyword] = change(value)
        else:
            copied[keyword] = value
    return copied


def _is_schema(value: Json) -> bool:
    return isinstance(value, (dict, bool))
