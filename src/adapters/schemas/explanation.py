"""Says where and why a payload breaks its schema.

The engine lists all errors with all of their values before it returns the first one: 20 µs for each, and 4 s where
references recurse 15 levels deep. Here only values that the engine calls invalid are looked into, in the order of the
schema's keywords, until there are enough violations or the time is over; then the enclosing value is named instead.
"""

from collections.abc import Callable, Iterable, Iterator
from time import thread_time
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from adapters.schemas.compiled_parts import DIRECT, CompiledParts
from adapters.schemas.expectations import expectation
from adapters.schemas.files.json_text import Json, join
from domain.payload_schema import ANY, MAX_POINTER_CHARS, MAX_VIOLATIONS, Violation

_ValueT = TypeVar("_ValueT")

MAX_SECONDS = 0.004
"""Of the processor, for one payload; a last question to the engine may take as long as the check itself."""
_MAX_STEPS = 150
"""Downwards, through schemas and values: each takes some calls of Python."""
_BY_EXCLUSION: tuple[tuple[type, str], ...] = ((dict, "unevaluatedProperties"), (list, "unevaluatedItems"))
"""Broken if nothing else is, by values of this type."""
_GENERAL = expectation("", None)


def explain(parts: CompiledParts, place: str, payload: object) -> list[Violation]:
    """Return the first violations of an invalid payload, one at least."""
    explanation = _Explanation(parts)
    explanation.look_into(_Point(place, "schema", (), 0), payload)
    return explanation.violations


class _Point(NamedTuple):
    """One schema, applied to a value at `path` through `keyword` of the schema before."""

    place: str
    keyword: str
    path: tuple["_Step", ...]
    steps: int

    def inside(self, inner: str, keyword: str, *into: "_Step") -> "_Point":
        """Go on to an inner schema, and to a member or an item if `into` has one."""
        return _Point(self.place + inner, keyword, (*self.path, *into), self.steps + 1)


class _Step(NamedTuple):
    """From a value to a member or an item of it."""

    name: str
    shown: str = ANY
    """Instead of the name, where it must not be told: the schema's own name of a member, or a * for any."""


class _Explanation:
    def __init__(self, parts: CompiledParts) -> None:
        self._parts = parts
        self._ends = thread_time() + MAX_SECONDS
        self.violations: list[Violation] = []
        self._found = 0
        """How many were found; those behind a pointer that was cut may be alike."""

    def look_into(self, point: _Point, value: object) -> None:
        """Add the violations of a value that breaks the schema at this point."""
        schema = self._parts.schemas[point.place]
        before = self._found
        if schema is False:
            self._add(point.path, point.keyword, expectation("false", None))
        elif isinstance(schema, dict) and point.steps < _MAX_STEPS:
            for keyword in schema:
                if self._is_over:
                    break
                self._look_at(keyword, schema, point, value)
        if self._found == before:
            named = schema if isinstance(schema, dict) else {}
            rest = [each for kind, each in _BY_EXCLUSION if isinstance(value, kind) and each in named]
            self._add(point.path, *((rest[0], expectation(rest[0], None)) if rest else (point.keyword, _GENERAL)))

    @property
    def _is_over(self) -> bool:
        return len(self.violations) >= MAX_VIOLATIONS or thread_time() > self._ends

    def _look_at(self, keyword: str, schema: dict[str, Json], point: _Point, value: object) -> None:
        if keyword in DIRECT:
            if not self._parts.obeys(point.place, schema, keyword, value):
                self._add(point.path, keyword, expectation(keyword, schema[keyword]))
            return
        for name in self._until_over(_missing(keyword, schema[keyword], value)):
            self._add(point.path, keyword, expectation(keyword, name))
        for inner, inner_value in self._until_over(self._applied(keyword, schema, point, value)):
            if not self._parts.is_valid(inner.place, inner_value):
                self.look_into(inner, inner_value)

    def _applied(
        self, keyword: str, schema: dict[str, Json], point: _Point, value: object
    ) -> Iterator[tuple[_Point, object]]:
        """Yield the schemas that a keyword applies, each with what it applies to: the value, a member or an item."""
        argument = schema[keyword]
        if keyword == "$ref":
            yield point._replace(place=str(argument), keyword=keyword, steps=point.steps + 1), value
        elif keyword == "allOf":
            yield from ((point.inside(f"/allOf/{index}", keyword), value) for index in range(_length(argument)))
        elif keyword == "if":
            branch = "then" if self._parts.is_valid(f"{point.place}/if", value) else "else"
            if branch in schema:
                yield point.inside(f"/{branch}", branch), value
        elif isinstance(value, dict):
            yield from self._applied_to_members(keyword, schema, point, value)
        elif isinstance(value, list):
            yield from _applied_to_items(keyword, schema, point, value)

    def _applied_to_members(
        self, keyword: str, schema: dict[str, Json], point: _Point, value: dict[str, object]
    ) -> Iterator[tuple[_Point, object]]:
        if keyword == "additionalProperties":
            is_named = self._named(schema)
            for name, member in self._until_over(value.items()):
                if not is_named(name):
                    yield point.inside(f"/{keyword}", keyword, _Step(name)), member
            return
        argument = schema[keyword]
        for name in argument if isinstance(argument, dict) else ():
            if keyword == "patternProperties":
                for each, member in self._until_over(value.items()):
                    if self._parts.matches(name, each):
                        yield point.inside(_named_place(keyword, name), keyword, _Step(each)), member
            elif name in value and keyword == "properties":
                yield point.inside(_named_place(keyword, name), keyword, _Step(name, name)), value[name]
            elif name in value and keyword == "dependentSchemas":
                yield point.inside(_named_place(keyword, name), keyword), value

    def _until_over(self, values: Iterable[_ValueT]) -> Iterator[_ValueT]:
        for value in values:
            if self._is_over:
                return
            yield value

    def _named(self, schema: dict[str, Json]) -> Callable[[str], bool]:
        """Return whether a name is that of a member which `additionalProperties` does not apply to."""
        names, patterns = schema.get("properties"), schema.get("patternProperties")
        known = names if isinstance(names, dict) else {}
        searched = patterns if isinstance(patterns, dict) else {}
        return lambda name: name in known or any(self._parts.matches(pattern, name) for pattern in searched)

    def _add(self, path: tuple[_Step, ...], keyword: str, expected: str) -> None:
        self._found += 1
        if len(self.violations) < MAX_VIOLATIONS:
            pointer = place = ""
            for step in path:
                longer = join(pointer, step.name)
                if len(longer) > MAX_POINTER_CHARS:
                    break
                pointer, place = longer, join(place, step.shown)
            violation = Violation(pointer, keyword, expected, place)
            if violation not in self.violations:
                self.violations.append(violation)


def _applied_to_items(
    keyword: str, schema: dict[str, Json], point: _Point, value: list[object]
) -> Iterator[tuple[_Point, object]]:
    first = _length(schema.get("prefixItems"))
    if keyword == "prefixItems":
        for index, item in enumerate(value[:first]):
            yield point.inside(f"/{keyword}/{index}", keyword, _Step(str(index))), item
    elif keyword == "items":
        for index, item in enumerate(value[first:], first):
            yield point.inside(f"/{keyword}", keyword, _Step(str(index))), item


def _missing(keyword: str, argument: Json, value: object) -> Iterator[Json]:
    """Yield the names of members that a keyword requires and the value lacks."""
    if not isinstance(value, dict):
        return
    if keyword == "required" and isinstance(argument, list):
        yield from (name for name in argument if name not in value)
    elif keyword == "dependentRequired" and isinstance(argument, dict):
        for member, names in argument.items():
            if member in value:
                yield from _missing("required", names, value)


def _named_place(keyword: str, name: str) -> str:
    return quote(join(f"/{keyword}", name))


def _length(value: Json) -> int:
    return len(value) if isinstance(value, list) else 0
