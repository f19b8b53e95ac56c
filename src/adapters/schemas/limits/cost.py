"""What checking a payload costs at most, found before it is checked: the engine holds the interpreter's lock.

A check cannot be interrupted, and a thread would not help. The figures below are the largest of jsonschema-rs 0.60,
measured on payloads and schemas that are made to be slow, rounded up. The engine remembers what it has found for a
value and a recursive reference, so that recursion multiplies nothing.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import add
from typing import NamedTuple

from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import IN_PLACE, Inner, inner_schemas
from adapters.schemas.limits.pattern_cost import ns_per_byte

MAX_NESTING = 200
"""How many schemas may stand inside each other, or refer on, on the way to the last one."""

_DECODED_NS = 100.0
_SCHEMA_NS = 30.0
_KEYWORD_NS = 15.0
_COMPARED_NS = 25.0
_COMPARED_INSIDE_NS = 600.0
"""For each value inside of a compared object or array."""
_NUMBER_NS = 2_500.0
_BOUND_NS = 1_300.0
_FORMAT_NS_PER_BYTE = 25.0
_MEMBER_OF_PATTERNS_NS = 15.0
_REQUIRED_NS = 50.0
_SQUARE_OF_DIGITS_NS = 0.11
_SQUARE_OF_TYPE_NS = 0.025
_SQUARE_OF_EQUALITY_NS = 0.08
_LEVEL_NS = 100.0

_OF_ARRAYS = frozenset({"prefixItems", "items", "contains", "unevaluatedItems"})


class Endless(ValueError):
    """A schema applies itself to the same value again, or refers on too often."""


class Cost(NamedTuple):
    """What one value of a payload, and one byte of it, cost at most, in nanoseconds."""

    value: float = 0.0
    byte: float = 0.0
    digits: float = 0.0
    """For the square of the digits of a number."""
    level: float = 0.0
    """For each value and level above it, where items of arrays are compared with each other."""

    def plus(self, other: "Cost") -> "Cost":
        """Return the cost of both."""
        return Cost(*map(add, self, other))

    def most(self, other: "Cost") -> "Cost":
        """Return the cost of either."""
        return Cost(*map(max, self, other))


_FREE = Cost()


class _Found(NamedTuple):
    here: Cost
    """Of a value that a schema is applied to."""
    below: Cost
    """Of any one value inside of that."""


class Costs:
    """The costs of all schemas of a folder. `schemas` are keyed by place, and their `$ref` is the key of its target."""

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        self._schemas = schemas
        self._found: dict[str, _Found] = {}
        self._recursive: dict[str, None] = {}
        self._open: dict[str, bool] = {}
        """The places on the way to the current one; whether it applies to the same value as the one before."""

    def of(self, place: str) -> Cost:
        """Return the cost of a type's schema. Raises `Endless` with the reason."""
        self._recursive.clear()
        self._found.clear()
        cost = Cost(value=_DECODED_NS).plus(self._most(place, in_place=False))
        for target in tuple(self._recursive):
            cost = cost.plus(self._most(target, in_place=False))
        return cost

    def _most(self, place: str, *, in_place: bool) -> Cost:
        found = self._find(place, in_place=in_place)
        return found.here.most(found.below)

    def _find(self, place: str, *, in_place: bool) -> _Found:
        if place in self._open:
            way = list(self._open)
            if in_place and all(self._open[each] for each in way[way.index(place) + 1 :]):
                raise Endless("leads to itself without going into the payload")
            self._recursive[place] = None
            return _Found(_FREE, _FREE)
        if (found := self._found.get(place)) is not None:
            return found
        if len(self._open) == MAX_NESTING:
            raise Endless(f"leads through over {MAX_NESTING} schemas")
        self._open[place] = in_place
        try:
            found = self._find_anew(place)
        finally:
            del self._open[place]
        self._found[place] = found
        return found

    def _find_anew(self, place: str) -> _Found:
        schema = self._schemas[place]
        if not isinstance(schema, dict):
            return _Found(Cost(value=_SCHEMA_NS), _FREE)
        here, below = _own_cost(schema), _FREE
        for target in self._in_place(place, schema):
            found = self._find(target, in_place=True)
            here, below = here.plus(found.here), below.plus(found.below)
        return _Found(here, below.plus(self._below(place, schema)))

    def _in_place(self, place: str, schema: dict[str, Json]) -> Iterator[str]:
        yield from (place + inner.place for inner in inner_schemas(schema) if inner.keyword in IN_PLACE)
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference

    def _below(self, place: str, schema: dict[str, Json]) -> Cost:
        """Add up what may apply to one and the same member, or to one and the same item."""
        named, member, first, item = _FREE, _FREE, _FREE, _FREE
        for inner in inner_schemas(schema):
            if not _applies_below(inner):
                continue
            cost = self._most(place + inner.place, in_place=False)
            if inner.keyword == "properties":
                named = named.most(cost)
            elif inner.keyword == "prefixItems":
                first = first.most(cost)
            elif inner.keyword in _OF_ARRAYS:
                item = item.plus(cost)
            else:
                is_pattern = inner.keyword == "patternProperties"
                member = member.plus(cost).plus(_of_pattern(inner.name) if is_pattern else _FREE)
        return named.plus(member).most(first.plus(item))


def _applies_below(inner: Inner) -> bool:
    return inner.keyword not in IN_PLACE and inner.keyword not in ("$defs", "definitions", "contentSchema")


def _of_pattern(pattern: str) -> Cost:
    return Cost(value=_MEMBER_OF_PATTERNS_NS, byte=ns_per_byte(pattern))


def _own_cost(schema: dict[str, Json]) -> Cost:
    cost = Cost(_SCHEMA_NS)
    for keyword, argument in schema.items():
        cost = cost.plus(_keyword_cost(keyword, argument))
    return cost


def _keyword_cost(keyword: str, argument: Json) -> Cost:
    cost = Cost(_KEYWORD_NS)
    match keyword, argument:
        case (("maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum"), _):
            cost = Cost(_BOUND_NS, digits=_SQUARE_OF_DIGITS_NS)
        case "multipleOf", _:
            cost = Cost(_NUMBER_NS, digits=_SQUARE_OF_DIGITS_NS)
        case "type", list() | "integer":
            cost = Cost(_KEYWORD_NS, digits=_SQUARE_OF_TYPE_NS)
        case "const", _:
            cost = _comparison_cost([argument])
        case "enum", list():
            cost = _comparison_cost(argument)
        case (("required" | "dependentRequired"), _):
            cost = Cost(_REQUIRED_NS * _size(argument))
        case "pattern", str():
            cost = Cost(_KEYWORD_NS, ns_per_byte(argument))
        case "format", _:
            cost = Cost(_KEYWORD_NS, _FORMAT_NS_PER_BYTE)
        case "uniqueItems", True:
            cost = Cost(_KEYWORD_NS, level=_LEVEL_NS)
    return cost


def _comparison_cost(options: list[Json]) -> Cost:
    has_numbers = any(isinstance(option, (int, Decimal)) and not isinstance(option, bool) for option in options)
    inside = sum(_size(option) for option in options)
    value = _KEYWORD_NS + _COMPARED_NS * len(options) + _COMPARED_INSIDE_NS * inside
    return Cost(value + _NUMBER_NS, digits=_SQUARE_OF_EQUALITY_NS) if has_numbers else Cost(value)


def _size(value: Json) -> int:
    """Count the values inside of a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + _size(each) for each in inner)
