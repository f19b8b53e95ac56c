"""What a new folder of schemas may no longer accept of an old one."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from adapters.schemas.compatibility import narrowings
from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.limits.payload_size import KEYWORD as SIZE
from adapters.schemas.load import InvalidSchemas
from adapters.schemas.narrowing import Certainty
from tests.support.json_schemas import payloads, schemas
from tests.support.schema_folders import compiled, write


def found(folder: Path, old: object, new: object) -> list[tuple[str, str]]:
    """Compare two schemas; return pointer and certainty of each finding."""
    write(folder / "old", {"T.json": old})
    write(folder / "new", {"T.json": new})
    return [(each.pointer, each.certainty) for each in narrowings(folder / "old", folder / "new")]


def of(member: object, **more: object) -> dict[str, object]:
    """Make a schema with one member."""
    return {"type": "object", "properties": {"a": member}, **more}


@pytest.mark.parametrize(
    ("old", "new", "pointer", "certainty"),
    [
        (of({}), of({}, required=["a"]), "/required", "is"),
        (of({"type": ["string", "null"]}), of({"type": "string"}), "/properties/a/type", "is"),
        (of({"type": "number"}), of({"type": "integer"}), "/properties/a/type", "is"),
        (of({"enum": [1, 2]}), of({"enum": [2, 3]}), "/properties/a/enum", "is"),
        (of({"minimum": 0}), of({"minimum": 1}), "/properties/a/minimum", "is"),
        (of({"minimum": 0}), of({"exclusiveMinimum": 0}), "/properties/a/exclusiveMinimum", "is"),
        (of({"type": "string"}), of({"type": "string", "maxLength": 9}), "/properties/a/maxLength", "is"),
        (of({"type": "string"}), of({"type": "string", "format": "date"}), "/properties/a/format", "is"),
        (of({"pattern": "^[ab]$"}), of({"pattern": "^a$"}), "/properties/a/pattern", "may"),
        (of({}), of({}, additionalProperties=False), "/additionalProperties", "is"),
        (of({"items": {"type": "integer"}}), of({"items": {"type": "null"}}), "/properties/a/items/type", "is"),
        (of({}), of({}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]), "/anyOf", "is"),
        ({"if": {"required": ["a"]}}, {"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "/then", "may"),
        (of({}, **{"x-on-violation": "accept"}), {"type": "object", "required": ["a"]}, "/required", "is"),
        (True, False, "", "is"),
    ],
)
def test_narrowing_is_found(tmp_path: Path, old: object, new: object, pointer: str, certainty: str) -> None:
    """At its keyword, and as sure as it was decided."""
    assert (pointer, certainty) in found(tmp_path, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (of({"type": "integer"}), of({"type": "number"})),
        (of({"enum": [1]}), of({"enum": [1, 2]})),
        (of({}, required=["a"]), of({})),
        (of({"exclusiveMinimum": 0}), of({"minimum": 0})),
        (of({}, additionalProperties=False), of({}, additionalProperties=True)),
        (of({"type": "string"}), of({"type": "string"}, **{"x-on-violation": "accept"}, required=["a"])),
        (of({"$ref": "#/$defs/m"}, **{"$defs": {"m": {"type": "null"}}}), of({"type": "null"})),
        (of({"type": "string", "title": "a"}), of({"type": "string", "description": "b"})),
    ],
)
def test_widening_is_no_finding(tmp_path: Path, old: object, new: object) -> None:
    """Neither are annotations, nor what only counts."""
    assert found(tmp_path, old, new) == []


def test_smaller_limit_is_found(tmp_path: Path) -> None:
    """Once a type, and only where nothing else is found: another finding has the same cause."""
    cheap = {"items": {"enum": ["a", 1]}}
    costly = {"items": {"enum": ["a", 1, "b", 2]}}
    patterned = {"items": {"anyOf": [{"enum": ["a", 1, "b", 2]}, {"pattern": "a"}]}}
    files = {"A.json": cheap, "B.json": {"x-on-violation": "accept"}, "C.json": cheap, "D.json": cheap}
    write(tmp_path / "cheap", files)
    write(tmp_path / "costly", {"A.json": costly, "B.json": {}, "C.json": {"type": "object"}, "D.json": patterned})

    def sizes(old: str, new: str) -> list[str]:
        found = map(str, narrowings(tmp_path / old, tmp_path / new))
        return [re.sub("[0-9,]+,[0-9]+", "N", line) for line in found if SIZE in line]

    assert sizes("cheap", "costly") == [
        "A.json: may narrow: x-size was up to N values, is up to N values",
        "B.json: may narrow: x-size was any size, is up to N values",
        "D.json: may narrow: x-size was up to N values, is up to N values or N bytes",
    ]
    assert sizes("cheap", "cheap") == sizes("costly", "costly") == []


def test_removed_type_is_found(tmp_path: Path) -> None:
    """A new one is none: nobody knows what its type held before."""
    write(tmp_path / "old", {"A.json": {}, "B.json": {}, "_c.json": {}})
    write(tmp_path / "new", {"B.json": {}, "D.json": False})
    (narrowing,) = narrowings(tmp_path / "old", tmp_path / "new")
    assert str(narrowing) == "A.json: the type has no schema any more"


def test_finding_names_old_and_new(tmp_path: Path) -> None:
    """And that it is not sure."""
    write(tmp_path / "old", {"A.json": of({"pattern": "^[ab]$"})})
    write(tmp_path / "new", {"A.json": of({"pattern": "^a$"})})
    (narrowing,) = narrowings(tmp_path / "old", tmp_path / "new")
    assert str(narrowing) == 'A.json#/properties/a/pattern: may narrow: pattern was "^[ab]$", is "^a$"'
    assert narrowing.certainty is Certainty.MAY


def test_wrong_folder_is_refused(tmp_path: Path) -> None:
    """Before anything is compared."""
    write(tmp_path / "old", {"A.json": {}})
    write(tmp_path / "new", {"A.json": {"type": "x"}})
    with pytest.raises(InvalidSchemas, match=r"A\.json#/type"):
        list(narrowings(tmp_path / "old", tmp_path / "new"))


def _breaks(schema: CompiledSchema, payload: bytes) -> bool:
    """A payload that is too large to be checked breaks no keyword."""
    return any(violation.keyword != SIZE for violation in schema.violations(payload))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(old=schemas, new=schemas, tried=st.lists(payloads, min_size=1, max_size=8))
def test_payload_that_is_refused_newly_has_a_finding(tmp_path: Path, old: str, new: str, tried: list[bytes]) -> None:
    """Whatever the schemas; the same one twice has none that is sure."""
    try:
        before, after = compiled(tmp_path / "old", old), compiled(tmp_path / "new", new)
    except InvalidSchemas:
        assume(False)
        return
    if any(_breaks(after, payload) and not before.violations(payload) for payload in tried):
        assert list(narrowings(tmp_path / "old", tmp_path / "new"))
    assert all(each.certainty is Certainty.MAY for each in narrowings(tmp_path / "old", tmp_path / "old"))
