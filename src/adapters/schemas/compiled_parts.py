"""The parts of schemas, each compiled when it is first asked for."""

from collections.abc import Mapping

import jsonschema_rs

from adapters.schemas.engine import compile_schema
from adapters.schemas.files.json_text import Json

_TOGETHER = {"contains": ("minContains", "maxContains")}


class CompiledParts:
    """Compiles parts of the schemas of a folder when they are first asked for, and keeps them.

    Threads may share it: at worst two compile the same part.
    """

    def __init__(self, schemas: Mapping[str, Json], registry: jsonschema_rs.Registry) -> None:
        self.schemas = schemas
        self._registry = registry
        self._compiled: dict[tuple[str, str], jsonschema_rs.Validator] = {}

    def compile(self, place: str) -> jsonschema_rs.Validator:
        """Return the compiled schema of a place."""
        return self._part(place, "", {"$ref": place})

    def is_valid(self, place: str, value: object) -> bool:
        """Check a value against the schema of a place."""
        return self.compile(place).is_valid(value)

    def obeys(self, place: str, schema: dict[str, Json], keyword: str, value: object) -> bool:
        """Check a value against one keyword of a schema."""
        part = {each: schema[each] for each in (keyword, *_TOGETHER.get(keyword, ())) if each in schema}
        return self._part(place, keyword, part).is_valid(value)

    def matches(self, pattern: str, name: str) -> bool:
        """Search a pattern in the name of a member."""
        return self._part(pattern, "pattern", {"pattern": pattern}).is_valid(name)

    def _part(self, place: str, keyword: str, schema: Json) -> jsonschema_rs.Validator:
        compiled = self._compiled.get((place, keyword))
        if compiled is None:
            compiled = self._compiled[place, keyword] = compile_schema(schema, self._registry)
        return compiled
