"""Compares two schema folders: finds what the old one accepted and the new one may not.

The engine's set operations decide, keyword by keyword: whether all that the old schema accepts obeys the new keyword is
proved, disproved, or left open, and then the answer is "may". That a type has lost its schema is a finding, since the
type may have been accepted for its schema alone; a schema for a type that had none cannot be judged and is none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jsonschema_rs
from jsonschema_rs import canonical

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.engine import contains_all
from adapters.schemas.expectations import shown
from adapters.schemas.files.json_text import Json, join
from adapters.schemas.files.keywords import ON_VIOLATION
from adapters.schemas.limits.payload_size import KEYWORD as SIZE
from adapters.schemas.load import load_schemas, read_schemas
from adapters.schemas.narrowing import Certainty, Narrowing

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


class _Side(NamedTuple):
    schemas: Mapping[str, Json]
    registry: jsonschema_rs.Registry

    def resolved(self, schema: Json) -> Json:
        """Follow references that have no other keyword of weight beside them."""
        seen: set[str] = set()
        while isinstance(schema, dict) and isinstance(place := schema.get("$ref"), str) and place not in seen:
            if any(keyword in schema for group in _GROUPS for keyword in group if keyword != "$ref"):
                break
            seen.add(place)
            schema = self.schemas[place]
        return schema


def narrowings(old: Path, new: Path) -> Iterator[Narrowing]:
    """Yield what the new folder may no longer accept, in the order of the old one's files. Raises `InvalidSchemas`."""
    # Also finds what makes a schema unusable although each keyword is right.
    old_compiled, new_compiled = load_schemas(old), load_schemas(new)
    (old_documents, old_schemas), (new_documents, new_schemas) = read_schemas(old), read_schemas(new)
    old_side = _Side(old_schemas, jsonschema_rs.Registry([(each.uri, each.root) for each in old_documents]))
    new_side = _Side(new_schemas, jsonschema_rs.Registry([(each.uri, each.root) for each in new_documents]))
    successors = {document.file.type: document for document in new_documents}
    for document in old_documents:
        if document.file.type is None:
            continue
        name = document.file.name
        successor = successors.get(document.file.type)
        if successor is None:
            yield Narrowing(name, "", Certainty.IS, "the type has no schema any more")
        elif _rejects(successor.root):
            comparison = _Comparison(name, old_side, new_side)
            # A schema that only counts has accepted everything.
            yield from comparison.compare(document.root if _rejects(document.root) else True, successor.root, "")
            yield from _size_narrowings(name, old_compiled[document.file.type], new_compiled[document.file.type])


def _rejects(schema: Json) -> bool:
    return not isinstance(schema, dict) or schema.get(ON_VIOLATION) != "accept"


def _size_narrowings(file: str, old: CompiledSchema, new: CompiledSchema) -> Iterator[Narrowing]:
    """Yield where less may be sent, because a value of a payload takes longer to check than before."""
    limits = (
        ("values", old.limit.max_values, new.limit.max_values),
        ("bytes", old.limit.max_bytes, new.limit.max_bytes),
    )
    for unit, limit, now in limits:
        before = limit if old.rejects else None
        if now is not None and (before is None or now < before):
            was = f"any number of {unit}" if before is None else f"up to {before:,} {unit}"
            yield Narrowing(file, "", Certainty.MAY, f"{SIZE} was {was}, is up to {now:,} {unit}")


class _Comparison:
    def __init__(self, file: str, old: _Side, new: _Side) -> None:
        self._file = file
        self._old = old
        self._new = new
        self._seen: list[tuple[Json, Json]] = []
        self._repeated = 0
        """How often a pair of schemas was met again, whose findings stand where it was met first."""

    def compare(self, old: Json, new: Json, pointer: str, *, is_certain: bool = True) -> Iterator[Narrowing]:
        """Yield where `new` is narrower than `old`; `pointer` is the place of `new`, references followed."""
        old, new = self._old.resolved(old), self._new.resolved(new)
        if any(old is each and new is other for each, other in self._seen):
            self._repeated += 1
            return
        if isinstance(old, dict) or isinstance(new, dict):
            self._seen.append((old, new))
        if self._covers(old, new) is canonical.Containment.YES:
            return
        if not isinstance(new, dict):
            yield self._narrowing(pointer, "nothing is accepted here any more", is_certain=is_certain)
            return
        before = old if isinstance(old, dict) else {}
        found, repeated = False, self._repeated
        is_certain = is_certain and not any(keyword in before for keyword in _IN_PLACE)
        for narrowing in self._compare_all(old, before, new, pointer, is_certain=is_certain):
            found = True
            yield narrowing
        if not found and repeated == self._repeated:
            yield self._narrowing(pointer, "the keywords together may accept less than before", is_certain=False)

    def _compare_all(
        self, old: Json, before: dict[str, Json], new: dict[str, Json], pointer: str, *, is_certain: bool
    ) -> Iterator[Narrowing]:
        for group in _GROUPS:
            yield from self._compare_group(group, old, before, new, pointer, is_certain=is_certain)
        yield from self._compare_members(before, new, pointer, is_certain=is_certain)
        if "items" in new:
            is_shifted = before.get("prefixItems") != new.get("prefixItems")
            yield from self.compare(
                before.get("items", True), new["items"], f"{pointer}/items", is_certain=is_certain and not is_shifted
            )

    def _compare_group(
        self,
        group: tuple[str, ...],
        old: Json,
        before: dict[str, Json],
        new: dict[str, Json],
        pointer: str,
        *,
        is_certain: bool,
    ) -> Iterator[Narrowing]:
        now: dict[str, Json] = {keyword: new[keyword] for keyword in group if keyword in new}
        if not now:
            return
        containment = self._covers(old, now)
        if containment is canonical.Containment.YES:
            return
        keyword = next((each for each in now if before.get(each) != now[each]), next(iter(now)))
        was = shown(before[keyword]) if keyword in before else "absent"
        reason = f"{keyword} was {_cut(was)}, is {_cut(shown(now[keyword]))}"
        is_proved = containment is canonical.Containment.NO or (keyword == "type" and _loses_type(before, now))
        yield self._narrowing(f"{pointer}/{keyword}", reason, is_certain=is_certain and is_proved)

    def _compare_members(
        self, before: dict[str, Json], new: dict[str, Json], pointer: str, *, is_certain: bool
    ) -> Iterator[Narrowing]:
        old_members, new_members = _members(before), _members(new)
        old_others, new_others = before.get("additionalProperties", True), new.get("additionalProperties", True)
        for name, schema in new_members.items():
            inner = join(f"{pointer}/properties", name)
            yield from self.compare(old_members.get(name, old_others), schema, inner, is_certain=is_certain)
        if "additionalProperties" not in new:
            return
        inner = f"{pointer}/additionalProperties"
        # Members that match a pattern are no others.
        is_certain = is_certain and "patternProperties" not in new
        for name, schema in old_members.items():
            if name not in new_members:
                for each in self.compare(schema, new_others, inner, is_certain=is_certain):
                    yield each._replace(reason=f"the member {shown(name)} was named before: {each.reason}")
        yield from self.compare(old_others, new_others, inner, is_certain=is_certain)

    def _covers(self, old: Json, new: Json) -> canonical.Containment:
        return contains_all(new, self._new.registry, old, self._old.registry)

    def _narrowing(self, pointer: str, reason: str, *, is_certain: bool) -> Narrowing:
        return Narrowing(self._file, pointer, Certainty.IS if is_certain else Certainty.MAY, reason)


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


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"
