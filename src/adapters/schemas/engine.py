"""jsonschema-rs with the options of this service: nothing is fetched, and patterns are matched in linear time."""

import re
from functools import lru_cache
from typing import Any

import jsonschema_rs
from jsonschema_rs import canonical

from adapters.schemas.files.json_text import Json

_LINEAR = jsonschema_rs.RegexOptions()
"""The engine without back-tracking: it refuses lookaround, back-references and patterns of over 10 MB compiled."""
_NOT_LINEAR = re.compile(r"\(\?<?[=!]|\\[1-9]|\\k<")


def compile_schema(schema: Json, registry: jsonschema_rs.Registry | None = None) -> jsonschema_rs.Validator:
    """Compile a schema of draft 2020-12, whose formats are asserted. Raises `jsonschema_rs.ValidationError`."""
    # The library takes true and false, too, but says so in no type.
    wanted: dict[str, Any] = schema if isinstance(schema, dict) else {"allOf": [schema]}
    return jsonschema_rs.Draft202012Validator(
        wanted, validate_formats=True, registry=registry, pattern_options=_LINEAR, offline=True
    )


@lru_cache(maxsize=4_096)
def pattern_flaw(pattern: str) -> str:
    """Return why a pattern cannot be used, empty if it can."""
    try:
        compile_schema({"pattern": pattern})
    except jsonschema_rs.ValidationError:
        if _NOT_LINEAR.search(pattern.replace(r"\\", "")):
            return "must be a pattern without lookaround and back-references, which take unbounded time"
        return "must be a regular expression of ECMA-262, and no huge one"
    return ""


def contains_all(
    wide: Json, wide_registry: jsonschema_rs.Registry, narrow: Json, narrow_registry: jsonschema_rs.Registry
) -> canonical.Containment:
    """Decide whether a schema accepts all that another one accepts; UNKNOWN where that cannot be decided."""
    try:
        return _canonical(wide, wide_registry).covers(_canonical(narrow, narrow_registry))
    except (canonical.CanonicalizationError, jsonschema_rs.ReferencingError, jsonschema_rs.ValidationError):
        return canonical.Containment.UNKNOWN


def _canonical(schema: Json, registry: jsonschema_rs.Registry) -> jsonschema_rs.CanonicalSchema:
    wanted: Any = schema
    return jsonschema_rs.canonicalize(
        wanted,
        draft=jsonschema_rs.Draft202012,
        validate_formats=True,
        pattern_options=_LINEAR,
        registry=registry,
        offline=True,
    )
