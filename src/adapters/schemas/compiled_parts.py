"""The parts of schemas, each compiled at start or when it is first asked for."""

from collections.abc import Mapping

import jsonschema_rs

from adapters.schemas.engine import compile_schema
from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import stands_for

DIRECT = frozenset(
    {
        *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems", "contains"),
        *("maxProperties", "minProperties", "propertyNames", "anyOf", "oneOf", "not"),
    }
)
"""Keywords that are told by themselves, without a look at what is inside."""
_TOGETHER = {"contains": ("minContains", "maxContains")}


class CompiledParts:
    """Compiles parts of the schemas of a folder when they are first asked for, and keeps them.

    Those that take long to compile are to be prepared. Threads may share it: at worst two compile the same part.
    """

    def __init__(self, schemas: Mapping[str, Json], registry: jsonschema_rs.Registry) -> None:
        self.schemas = schemas
        self.registry = registry
        self._compiled: dict[tuple[str, str], jsonschema_rs.Validator] = {}

    def compile(self, place: str) -> jsonschema_rs.Validator:
        """Return the compiled schema of a place."""
        while target := stands_for(self.schemas[place]):
            place = target
        return self._part(place, "", {"$ref": place})

    def prepare(self, place: str) -> None:
        """Compile the schema of a place, and each of its keywords and patterns that may be asked for alone."""
        self.compile(place)
        schema = self.schemas[place]
        if isinstance(schema, dict):
            for keyword in schema.keys() & DIRECT:
                self._keyword(place, schema, keyword)
            searched = schema.get("patternProperties")
            for pattern in searched if isinstance(searched, dict) else ():
                self._pattern(pattern)

    def is_valid(self, place: str, value: object) -> bool:
        """Check a value against the schema of a place."""
        return self.compile(place).is_valid(value)

    def obeys(self, place: str, schema: dict[str, Json], keyword: str, value: object) -> bool:
        """Check a value against one keyword of a schema."""
        return self._keyword(place, schema, keyword).is_valid(value)

    def matches(self, pattern: str, name: str) -> bool:
        """Search a pattern in the name of a member."""
        return self._pattern(pattern).is_valid(name)

    def _keyword(self, place: str, schema: dict[str, Json], keyword: str) -> jsonschema_rs.Validator:
        part = {each: schema[each] for each in (keyword, *_TOGETHER.get(keyword, ())) if each in schema}
        return self._part(place, keyword, part)

    def _pattern(self, pattern: str) -> jsonschema_rs.Validator:
        return self._part(pattern, "pattern", {"pattern": pattern})

    def _part(self, place: str, keyword: str, schema: Json) -> jsonschema_rs.Validator:
        compiled = self._compiled.get((place, keyword))
        if compiled is None:
            compiled = self._compiled[place, keyword] = compile_schema(schema, self.registry)
        return compiled
