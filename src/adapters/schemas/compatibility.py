"""Compares two schema folders: finds what the old one accepted and the new one may not.

The engine's set operations decide, keyword by keyword: whether all that the old schema accepts obeys the new keyword is
proved, disproved, or left open, and then the answer is "may". That a type has lost its schema is a finding, since the
type may have been accepted for its schema alone; a schema for a type that had none cannot be judged and is none.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from jsonschema_rs import canonical

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.compiled_parts import CompiledParts
from adapters.schemas.engine import contains_all
from adapters.schemas.expectations import shown
from adapters.schemas.files.json_text import Json, join
from adapters.schemas.files.keywords import stands_for
from adapters.schemas.limits.payload_size import KEYWORD as SIZE
from adapters.schemas.load import load_schemas
from adapters.schemas.narrowing import Certainty, Narrowing
from domain.payload_schema import cut

_MAX_CHARS = 120
_GROUPS = (
    *(("type",), ("enum",), ("const",), ("multipleOf",)),
    ("minimum", "exclusiveMinimum"),
    ("maximum", "exclusiveMaximum"),
    *(("minLength",), ("maxLength",), ("pattern",), ("format",), ("minItems",), ("maxItems",), ("uniqueItems",)),
    ("contains", "minContains", "maxContains"),
    *(("minProperties",), ("maxProperties",), ("required",), ("dependentRequired",), ("propertyNames",)),
    *(("$ref",), ("allOf",), ("anyOf",), ("oneOf",), ("not",), ("if", "then", "else"), ("dependentSchemas",)),
    *(("prefixItems",), ("patternProperties",), ("unevaluatedProperties",), ("unevaluatedItems",)),
)
"""Keywords that are compared together; those that hold the schema of one member or of all items are looked into."""
_IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "patternProperties"})
"""Where the old schema has one of these beside, it may have refused already what another keyword accepts."""


def narrowings(old: Path, new: Path) -> Iterator[Narrowing]:
    """Yield what the new folder may no longer accept, in the order of the old one's files. Raises `InvalidSchemas`."""
    predecessors, successors = load_schemas(old), load_schemas(new)
    for event_type, before in predecessors.items():
        file, after = f"{event_type}.json", successors.get(event_type)
        if after is None:
            yield Narrowing(file, "", Certainty.IS, "the type has no schema any more")
        elif after.rejects:
            comparison = _Comparison(file, before.parts, after.parts)
            # A schema that only counts has accepted everything.
            found = list(comparison.compare(before.root if before.rejects else True, after.root, _Place("")))
            yield from found or _size_narrowings(file, before, after)


def _size_narrowings(file: str, old: CompiledSchema, new: CompiledSchema) -> Iterator[Narrowing]:
    """Tell if less may be sent, because a value of a payload takes longer to check than before."""
    if not old.rejects or new.limit.is_below(old.limit):
        was = f"up to {old.limit}" if old.rejects else "any size"
        yield Narrowing(file, "", Certainty.MAY, f"{SIZE} was {was}, is up to {new.limit}")


class _Place(NamedTuple):
    """Of a schema in the new file, references followed."""

    pointer: str
    is_certain: bool = True
    """Whether a value that is refused here has got here, and was accepted before."""

    def inside(self, pointer: str, *, is_certain: bool = True) -> "_Place":
        """Go on to a place inside."""
        return _Place(self.pointer + pointer, self.is_certain and is_certain)


class _Comparison:
    def __init__(self, file: str, old: CompiledParts, new: CompiledParts) -> None:
        self._file = file
        self._old = old
        self._new = new
        self._seen: list[tuple[Json, Json]] = []
        self._repeated = 0
        """How often a pair of schemas was met again, whose findings stand where it was met first."""

    def compare(self, old: Json, new: Json, place: _Place) -> Iterator[Narrowing]:
        """Yield where `new`, which stands at `place`, is narrower than `old`."""
        old, new = _resolved(old, self._old.schemas), _resolved(new, self._new.schemas)
        if any(old is each and new is other for each, other in self._seen):
            self._repeated += 1
            return
        if isinstance(old, dict) or isinstance(new, dict):
            self._seen.append((old, new))
        if self._covers(old, new) is canonical.Containment.YES:
            return
        if not isinstance(new, dict):
            yield self._narrowing(place, "nothing is accepted here any more")
            return
        before = old if isinstance(old, dict) else {}
        found, repeated = False, self._repeated
        inner = place.inside("", is_certain=_IN_PLACE.isdisjoint(before))
        for narrowing in chain(self._of_keywords(old, before, new, inner), self._of_inner(before, new, inner)):
            found = True
            yield narrowing
        if not found and repeated == self._repeated:
            yield self._narrowing(
                place.inside("", is_certain=False), "the keywords together may accept less than before"
            )

    def _of_keywords(
        self, old: Json, before: dict[str, Json], new: dict[str, Json], place: _Place
    ) -> Iterator[Narrowing]:
        for group in _GROUPS:
            now: dict[str, Json] = {keyword: new[keyword] for keyword in group if keyword in new}
            if not now or (containment := self._covers(old, now)) is canonical.Containment.YES:
                continue
            keyword = next((each for each in now if before.get(each) != now[each]), next(iter(now)))
            was = cut(shown(before[keyword]), _MAX_CHARS) if keyword in before else "absent"
            is_proved = containment is canonical.Containment.NO or (keyword == "type" and _loses_type(before, now))
            yield self._narrowing(
                place.inside(f"/{keyword}", is_certain=is_proved),
                f"{keyword} was {was}, is {cut(shown(now[keyword]), _MAX_CHARS)}",
            )

    def _of_inner(self, before: dict[str, Json], new: dict[str, Json], place: _Place) -> Iterator[Narrowing]:
        old_members, new_members = _members(before), _members(new)
        old_others, new_others = before.get("additionalProperties", True), new.get("additionalProperties", True)
        for name, schema in new_members.items():
            yield from self.compare(old_members.get(name, old_others), schema, place.inside(join("/properties", name)))
        if "additionalProperties" in new:
            # Members that match a pattern are no others.
            others = place.inside("/additionalProperties", is_certain="patternProperties" not in new)
            for name, schema in old_members.items():
                for each in self.compare(schema, new_others, others) if name not in new_members else ():
                    yield each._replace(reason=f"the member {shown(name)} was named before: {each.reason}")
            yield from self.compare(old_others, new_others, others)
        if "items" in new:
            items = place.inside("/items", is_certain=before.get("prefixItems") == new.get("prefixItems"))
            yield from self.compare(before.get("items", True), new["items"], items)

    def _covers(self, old: Json, new: Json) -> canonical.Containment:
        return contains_all(new, self._new.registry, old, self._old.registry)

    def _narrowing(self, place: _Place, reason: str) -> Narrowing:
        return Narrowing(self._file, place.pointer, Certainty.IS if place.is_certain else Certainty.MAY, reason)


def _resolved(schema: Json, schemas: Mapping[str, Json]) -> Json:
    """Follow references that stand alone."""
    while place := stands_for(schema):
        schema = schemas[place]
    return schema


def _members(schema: dict[str, Json]) -> dict[str, Json]:
    members = schema.get("properties")
    return members if isinstance(members, dict) else {}


def _loses_type(before: dict[str, Json], now: dict[str, Json]) -> bool:
    """Tell whether a type that was named is named no longer; the set operations leave open what is no integer."""
    if "enum" in before or "const" in before:
        return False
    return bool(_types(before) - _types(now))


def _types(schema: dict[str, Json]) -> set[str]:
    named = schema.get("type", [])
    names = {str(name) for name in named} if isinstance(named, list) else {str(named)}
    return names | {"integer"} if "number" in names else names
