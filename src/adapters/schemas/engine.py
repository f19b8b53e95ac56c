"""jsonschema-rs with the options of this service: nothing is fetched, and patterns are matched in linear time."""

import re
from typing import Any

import jsonschema_rs

from adapters.schemas.json_text import Json

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


def pattern_flaw(pattern: str) -> str:
    """Return why a pattern cannot be used, empty if it can."""
    try:
        compile_schema({"pattern": pattern})
    except jsonschema_rs.ValidationError:
        if _NOT_LINEAR.search(pattern.replace(r"\\", "")):
            return "must be a pattern without lookaround and back-references, which take unbounded time"
        return "must be a regular expression of ECMA-262, and no huge one"
    return ""
