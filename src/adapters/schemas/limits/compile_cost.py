"""What compiling a schema takes at most, known before: a pattern of 60 Unicode letters takes 14 ms.

The event loop may have to wait for what is compiled when it is first asked for.
"""

from collections.abc import Iterator, Mapping

from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import CHILDREN, DEFINITIONS, IN_PLACE, inner_schemas, stands_for
from adapters.schemas.limits.keyword_cost import size
from adapters.schemas.limits.pattern_cost import states

MAX_STATES_OF_FILE = 100_000
"""Of the patterns of one file, for which the engine takes about a second."""
_MAX_NS = 3e9
"""For all slow parts of one type's schema."""
_QUICK_NS = 2e6
_SCHEMA_NS = 4_000.0
_VALUE_NS = 250.0
"""For each option and each required name."""
_PATTERN_NS = 20_000.0
_STATE_NS = 8_000.0
_INNER = IN_PLACE | CHILDREN | DEFINITIONS


class TooLong(ValueError):
    """The parts of a schema take too long to compile."""


def slow_parts(place: str, schemas: Mapping[str, Json]) -> list[str]:
    """Return the places of the parts of a schema that take over 2 ms to compile. Raises `TooLong`.

    `schemas` are those of a folder by place, their `$ref` the place of its target. The engine compiles with a part
    whatever that applies, each schema and each distinct pattern once.
    """
    targets = _graph(place, schemas)
    own = {part: _own_cost(schemas[part]) for part in targets}
    costs = {part: {pattern: _cost(pattern) for pattern in _patterns(schemas[part])} for part in targets}
    slow: list[str] = []
    total = 0.0
    for part in targets:
        if stands_for(schemas[part]):
            continue
        reached = _reached(part, targets)
        patterns: dict[str, float] = {}
        for each in reached:
            patterns.update(costs[each])
        cost = sum(patterns.values()) + sum(own[each] for each in reached)
        if part == place and cost <= _QUICK_NS:
            break
        if cost > _QUICK_NS:
            slow.append(part)
            total += cost
        if total > _MAX_NS:
            raise TooLong(
                "has too large patterns, or too many schemas around them, to be compiled at start: make them shorter, "
                "with maxLength in place of counted repetitions"
            )
    return slow


def _own_cost(schema: Json) -> float:
    """Return the cost of a schema without its patterns, and without the schemas inside of it."""
    keywords = schema.items() if isinstance(schema, dict) else ()
    return _SCHEMA_NS + _VALUE_NS * sum(size(argument) for keyword, argument in keywords if keyword not in _INNER)


def _cost(pattern: str) -> float:
    return _PATTERN_NS + _STATE_NS * states(pattern)


def _graph(place: str, schemas: Mapping[str, Json]) -> dict[str, list[str]]:
    """Return the places of a schema and of all that it applies, itself first, with what each applies directly."""
    targets: dict[str, list[str]] = {}
    waiting = [place]
    while waiting:
        part = waiting.pop()
        if part not in targets:
            targets[part] = list(_targets(part, schemas[part]))
            waiting += targets[part]
    return targets


def _reached(place: str, targets: Mapping[str, list[str]]) -> set[str]:
    seen = {place}
    waiting = [place]
    while waiting:
        new = set(targets[waiting.pop()]) - seen
        seen |= new
        waiting += new
    return seen


def _targets(place: str, schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (place + inner.place for inner in inner_schemas(schema) if inner.keyword not in DEFINITIONS)
        if isinstance(target := schema.get("$ref"), str):
            yield target


def _patterns(schema: Json) -> Iterator[str]:
    """Yield the patterns that a schema searches by itself."""
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        if isinstance(searched := schema.get("patternProperties"), dict):
            yield from searched
