"""What checking a payload costs at most, found before it is checked: the engine holds the interpreter's lock.

A check cannot be interrupted, and a thread would not help. The engine remembers what it has found for a value and a
recursive reference, so that recursion multiplies nothing.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import IN_PLACE, Inner, inner_schemas
from adapters.schemas.limits.keyword_cost import Cost, own_cost
from adapters.schemas.limits.pattern_cost import ns_per_byte

MAX_NESTING = 200
"""How many schemas may stand inside each other, or refer on, on the way to the last one."""

_DECODED_NS = 200.0
_SCHEMA_NS = 30.0
_MEMBER_OF_PATTERNS_NS = 15.0
_EVALUATED_AGAIN = 3.0
"""The engine goes through the schemas beside `unevaluated…` again, also through those beside one inside of them."""
_UNEVALUATED = frozenset({"unevaluatedProperties", "unevaluatedItems"})
_OF_ARRAYS = frozenset({"prefixItems", "items", "contains", "unevaluatedItems"})


class Endless(ValueError):
    """A schema applies itself to the same value again, or refers on too often."""


_FREE = Cost()


class _Found(NamedTuple):
    here: Cost
    """Of a value that a schema is applied to."""
    below: Cost
    """Of any one value inside of that."""
    height: int
    """How many schemas stand inside each other, or refer on, from here to the last one."""

    @property
    def most(self) -> Cost:
        """Return the largest cost of any value."""
        return self.here.most(self.below)


class Costs:
    """The costs of all schemas of a folder. `schemas` are keyed by place, and their `$ref` is the key of its target."""

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        self._schemas = schemas
        self._found: dict[str, _Found] = {}
        self._recursion_met = 0
        self._found_for_all: dict[str, _Found] = {}
        """What lies on no way back to where it is asked from, and so is the same for all types."""
        self._recursive: dict[str, None] = {}
        self._open: dict[str, bool] = {}
        """The places on the way to the current one; whether it applies to the same value as the one before."""

    def of(self, place: str) -> Cost:
        """Return the cost of a type's schema. Raises `Endless` with the reason."""
        self._recursive.clear()
        self._found.clear()
        cost = Cost(value=_DECODED_NS).plus(self._find(place, in_place=False).most)
        for target in tuple(self._recursive):
            cost = cost.plus(self._find(target, in_place=False).most)
        return cost

    def _find(self, place: str, *, in_place: bool) -> _Found:
        if place in self._open:
            way = list(self._open)
            if in_place and all(self._open[each] for each in way[way.index(place) + 1 :]):
                raise Endless("leads to itself without going into the payload")
            self._recursive[place] = None
            self._recursion_met += 1
            return _Found(_FREE, _FREE, 0)
        found = self._found_for_all.get(place)
        if found is None and (found := self._found.get(place)) is not None:
            self._recursion_met += 1
        if len(self._open) + (found.height if found else 1) > MAX_NESTING:
            raise Endless(f"leads through over {MAX_NESTING} schemas")
        return found or self._find_and_keep(place, in_place=in_place)

    def _find_and_keep(self, place: str, *, in_place: bool) -> _Found:
        before = self._recursion_met
        self._open[place] = in_place
        try:
            found = self._find_anew(place)
        finally:
            del self._open[place]
        kept = self._found_for_all if self._recursion_met == before else self._found
        kept[place] = found
        return found

    def _find_anew(self, place: str) -> _Found:
        schema = self._schemas[place]
        if not isinstance(schema, dict):
            return _Found(Cost(value=_SCHEMA_NS), _FREE, 1)
        here, below, height = own_cost(schema), _FREE, 0
        times = 1.0 if _UNEVALUATED.isdisjoint(schema) else _EVALUATED_AGAIN
        for target in self._in_place(place, schema):
            found = self._find(target, in_place=True)
            here, below = here.plus(found.here.times(times)), below.plus(found.below.times(times))
            height = max(height, found.height)
        inside, height_inside = self._below(place, schema)
        return _Found(here, below.plus(inside), 1 + max(height, height_inside))

    def _in_place(self, place: str, schema: dict[str, Json]) -> Iterator[str]:
        yield from (place + inner.place for inner in inner_schemas(schema) if inner.keyword in IN_PLACE)
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference

    def _below(self, place: str, schema: dict[str, Json]) -> tuple[Cost, int]:
        """Add up what may apply to one and the same member, or to one and the same item; return the height, too."""
        named, member, first, item = _FREE, _FREE, _FREE, _FREE
        height = 0
        for inner in inner_schemas(schema):
            if not _applies_below(inner):
                continue
            found = self._find(place + inner.place, in_place=False)
            cost, height = found.most, max(height, found.height)
            if inner.keyword == "properties":
                named = named.most(cost)
            elif inner.keyword == "prefixItems":
                first = first.most(cost)
            elif inner.keyword in _OF_ARRAYS:
                item = item.plus(cost)
            else:
                is_pattern = inner.keyword == "patternProperties"
                member = member.plus(cost).plus(_of_pattern(inner.name) if is_pattern else _FREE)
        return named.plus(member).most(first.plus(item)), height


def _applies_below(inner: Inner) -> bool:
    return inner.keyword not in IN_PLACE and inner.keyword not in ("$defs", "definitions", "contentSchema")


def _of_pattern(pattern: str) -> Cost:
    return Cost(value=_MEMBER_OF_PATTERNS_NS, byte=ns_per_byte(pattern))
