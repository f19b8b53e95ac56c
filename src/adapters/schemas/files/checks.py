"""Finds everything that is wrong with a schema before it is compiled."""

import difflib
from collections.abc import Iterator
from decimal import Decimal

from adapters.schemas.engine import compile_schema, pattern_flaw
from adapters.schemas.files.documents import Document, References
from adapters.schemas.files.folder import SchemaProblem
from adapters.schemas.files.json_text import Json, join
from adapters.schemas.files.keywords import (
    DIALECT,
    EXTENSION,
    FORMATS,
    KNOWN,
    ON_VIOLATION,
    REFUSED,
    inner_schemas,
    with_inner_schemas,
)
from adapters.schemas.limits.compile_cost import MAX_STATES_OF_FILE
from adapters.schemas.limits.pattern_cost import states

_TYPES = "array, boolean, integer, null, number, object, string"
_TOO_MANY_STATES = (
    "has too many states, with the patterns before it in this file, to be compiled at start: use maxLength in place of "
    "counted repetitions"
)
_LEAST_STEP = Decimal("1e-20")
_meta_schema = compile_schema({"$ref": DIALECT})


def check_document(document: Document, references: References) -> Iterator[SchemaProblem]:
    """Yield the problems of one file in the order of its schemas."""
    patterns = _Patterns()
    for pointer, schema in document.schemas.items():
        if isinstance(schema, dict):
            for inner, reason in _check(schema, document, references, patterns, is_root=not pointer):
                yield document.problem(pointer + inner, reason)


def _check(
    schema: dict[str, Json], document: Document, references: References, patterns: "_Patterns", *, is_root: bool
) -> Iterator[tuple[str, str]]:
    for keyword, value in schema.items():
        if reason := _keyword_flaw(keyword, value, is_root=is_root):
            yield join("", keyword), reason
        elif keyword == ON_VIOLATION and document.file.type is None:
            yield join("", keyword), "must be in the file of an event type: this one holds definitions"
    yield from _meta_flaws(schema)
    yield from _pattern_flaws(schema, patterns)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        try:
            references.target(document, reference)
        except ValueError as error:
            yield "/$ref", str(error)


def _keyword_flaw(keyword: str, value: Json, *, is_root: bool) -> str:
    if keyword in REFUSED:
        return REFUSED[keyword]
    if keyword in (ON_VIOLATION, "$id") and not is_root:
        return "must be at the top of the file"
    if keyword == ON_VIOLATION:
        return "" if value in ("reject", "accept") else "must be reject or accept"
    if keyword not in KNOWN and not keyword.startswith(EXTENSION):
        meant = difflib.get_close_matches(keyword, KNOWN, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"begin it with {EXTENSION} if it is meant for other tools"
        return f"is no keyword of JSON Schema 2020-12: {hint}"
    if keyword == "multipleOf" and isinstance(value, Decimal) and 0 < value < _LEAST_STEP:
        return f"must be at least {_LEAST_STEP}: to divide by smaller numbers takes long"
    return _name_flaw(keyword, value) if isinstance(value, str) else ""


def _name_flaw(keyword: str, value: str) -> str:
    if keyword == "$schema" and value.rstrip("#") != DIALECT:
        return f"must be {DIALECT}: other dialects are not supported"
    if keyword == "format" and value not in FORMATS:
        return f"must be one of {', '.join(sorted(FORMATS))}: an unknown format would check nothing"
    return ""


def _meta_flaws(schema: dict[str, Json]) -> Iterator[tuple[str, str]]:
    # Without the inner schemas, which are checked one by one: the library repeats a flaw for each level above it.
    outer = with_inner_schemas(schema, lambda _: True)
    if _meta_schema.is_valid(outer):
        return
    found: dict[str, str] = {}
    for error in _meta_schema.iter_errors(outer):
        pointer = ""
        for token in error.instance_path:
            pointer = join(pointer, str(token))
        reason = f"must be one of {_TYPES}" if pointer.startswith("/type") else error.message
        found.setdefault(pointer, reason)
    # Patterns are checked apart, with a better reason.
    yield from ((pointer, reason) for pointer, reason in found.items() if not _is_of_pattern(pointer, schema))


def _pattern_flaws(schema: dict[str, Json], patterns: "_Patterns") -> Iterator[tuple[str, str]]:
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (reason := patterns.flaw(pattern)):
        yield "/pattern", reason
    for inner in inner_schemas(schema):
        if inner.keyword == "patternProperties" and (reason := patterns.flaw(inner.name)):
            yield inner.pointer, reason


class _Patterns:
    """The patterns of one file, which are tried as long as they are not too large."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._states = 0.0

    def flaw(self, pattern: str) -> str:
        """Return why a pattern cannot be used, empty if it can or is behind one that is too much."""
        if self._states > MAX_STATES_OF_FILE:
            return ""
        if pattern not in self._seen:
            self._seen.add(pattern)
            self._states += states(pattern)
        return _TOO_MANY_STATES if self._states > MAX_STATES_OF_FILE else pattern_flaw(pattern)


def _is_of_pattern(pointer: str, schema: dict[str, Json]) -> bool:
    if pointer == "/pattern":
        return isinstance(schema["pattern"], str)
    return pointer == "/patternProperties" and isinstance(schema["patternProperties"], dict)
