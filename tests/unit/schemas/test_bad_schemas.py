"""Mistakes in schemas: all are told at once, each with file, place and reason."""

from pathlib import Path

import pytest

from tests.support.schema_folders import compiled, in_place, mistakes, write

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
A_CHAIN = {f"d{index}": {"$ref": f"#/$defs/d{index + 1}"} for index in range(3_000)} | {"d3000": {}}
DOUBLING = {
    f"d{index}": {"allOf": [{"items": {"$ref": f"#/$defs/d{index + 1}"}}, {"items": {"$ref": f"#/$defs/d{index + 1}"}}]}
    for index in range(40)
} | {"d40": {}}
UNEVALUATED = {
    f"d{index}": {"allOf": [{"$ref": f"#/$defs/d{index + 1}"}], "unevaluatedProperties": False} for index in range(14)
} | {"d14": {"properties": {"a": {}}}}


@pytest.mark.parametrize(
    ("schema", "place", "reason"),
    [
        ({"$schema": DRAFT_7}, "/$schema", "must be https://json-schema.org/draft/2020-12/schema: other dialects"),
        ({"type": "int"}, "/type", "must be one of array, boolean"),
        ({"minLength": -1}, "/minLength", "-1 is less than the minimum of 0"),
        ({"properties": {"a": {"items": [{}]}}}, "/properties/a/items", "[{}] is not of types"),
        ({"properties": {"a/b": 3}}, "/properties/a~1b", "3 is not of types"),
        ({"properties": []}, "/properties", "[] is not of type"),
        ({"required": ["a", "a"]}, "/required", '["a","a"] has non-unique elements'),
        ('{"multipleOf":1e-21}', "/multipleOf", "must be at least 1E-20"),
        ({"multipleOf": 0}, "/multipleOf", "0 is less than or equal to"),
        ({"requierd": ["a"]}, "/requierd", "is no keyword of JSON Schema 2020-12: did you mean required?"),
        ({"self": {}}, "/self", "is no keyword of JSON Schema 2020-12: begin it with x-"),
        ({"dependencies": {}}, "/dependencies", "is of an older draft: use dependentRequired"),
        ({"$defs": {"a": {"$dynamicRef": "#a"}}}, "/$defs/a/$dynamicRef", "is not supported: use $ref"),
        ({"items": {"$id": "x"}}, "/items/$id", "must be at the top of the file"),
        ({"format": "dat"}, "/format", "must be one of date, date-time"),
        ({"x-on-violation": "warn"}, "/x-on-violation", "must be reject or accept"),
        ({"items": {"x-on-violation": "reject"}}, "/items/x-on-violation", "must be at the top of the file"),
        ({"pattern": "(?=a)b"}, "/pattern", "must be a pattern without lookaround and back-references"),
        ({"pattern": r"(a)\1"}, "/pattern", "must be a pattern without lookaround and back-references"),
        ({"pattern": "("}, "/pattern", "must be a regular expression of ECMA-262"),
        ({"pattern": "(a{1000}){1000}"}, "/pattern", "has too many states"),
        ({"patternProperties": {"(?!a)": {}}}, "/patternProperties/(?!a)", "must be a pattern without lookaround"),
        ({"$ref": "other.json"}, "/$ref", "refers to other.json, which is no file of the folder; nothing is fetched"),
        ({"$ref": "https://example.com/a.json"}, "/$ref", "refers to https://example.com/a.json, which is no file"),
        ({"$ref": "file:///etc/passwd"}, "/$ref", "refers to file:///etc/passwd, which is no file of the folder"),
        ({"$ref": "../../etc/passwd"}, "/$ref", "refers to ../../etc/passwd, which is no file of the folder"),
        ({"$ref": "#/$defs/a"}, "/$ref", "refers to #/$defs/a, but there is no schema at that place"),
        ({"$ref": "#/type", "type": "object"}, "/$ref", "refers to #/type, but there is no schema at that place"),
        ({"$ref": "#nowhere"}, "/$ref", "refers to #nowhere, but there is no schema"),
        ({"$ref": "a b"}, "/$ref", '"a b" is not a "uri-reference"'),
        ({"$ref": "http://["}, "/$ref", "refers to http://[, which is no URI"),
        *(
            ({"$id": wrong, "$ref": "#"}, "/$id", f'"{wrong}" is not a "uri-reference"')
            for wrong in ("http://[", "http://[x]", "http://]", "//[::1", "http://℀")
        ),
        ('{"type":"object","title":"a","title":"b"}', "/title", "is there more than once"),
        ('{"properties":{"a":{"x-a":1,"x-a":2}}}', "/properties/a/x-a", "is there more than once"),
        ('{"const":"\\ud800"}', "/const", "must not hold a lone surrogate"),
        ('{"maximum":1e401}', "/maximum", "must not be a number of over 400 digits"),
        ('{"maximum":1e999999999}', "/maximum", "must not be a number of over 400 digits"),
        ('{"maximum":1e99999999999999999999}', "/maximum", "must not be a number of over 400 digits"),
        ('{"const":[-1E-99999999999999999999]}', "/const/0", "must not be a number of over 400 digits"),
        ('{"maximum":' + "9" * 5_000 + "}", "/maximum", "must not be a number of over 400 digits"),
        ('{"const":' + "[" * 101 + "]" * 101 + "}", "/const" + "/0" * 100, "must be nested at most 100 deep"),
        ({"$defs": {"a": {"$anchor": "n"}, "b": {"$anchor": "n"}}}, "/$defs/b/$anchor", "is there more than once"),
        ({"$ref": "#"}, "", "leads to itself without going into the payload"),
        ({"$defs": {"a": {"not": {"$ref": "#"}}}, "anyOf": [{"$ref": "#/$defs/a"}]}, "", "leads to itself without"),
        ({"$ref": "#/$defs/d0", "$defs": A_CHAIN}, "", "leads through over 200 schemas"),
        ({"$ref": "#/$defs/d0", "$defs": DOUBLING}, "", "takes up to"),
        (in_place(14), "", "takes up to"),
        (in_place(14, "anyOf"), "", "takes up to"),
        (in_place(14, "oneOf", "unevaluatedItems"), "", "takes up to"),
        (in_place(8, "anyOf", times=2), "", "takes up to"),
        ({"$ref": "#/$defs/d0", "$defs": UNEVALUATED}, "", "takes up to"),
        ({"oneOf": [{"const": index} for index in range(1_000)]}, "", "takes up to"),
    ],
)
def test_mistake_is_told(tmp_path: Path, schema: object, place: str, reason: str) -> None:
    """With file, JSON pointer and reason."""
    found = mistakes(write(tmp_path, {"T.json": schema, "good.json": {"type": "object"}}))
    shown = f"T.json#{place}: {reason}" if place else f"T.json: {reason}"
    assert any(line.startswith(shown) for line in found), found
    assert all(line.startswith("T.json") for line in found)


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Also several in one file."""
    write(
        tmp_path,
        {
            "A.json": {"type": "x", "properties": {"a": {"pattern": "("}, "b": {"$ref": "C.json"}}},
            "B.json": "{",
            "_d.json": {"$defs": {"m": {"minimum": "0"}}},
        },
    )
    assert [line.partition(": ")[0] for line in mistakes(tmp_path)] == [
        "A.json#/type",
        "A.json#/properties/a/pattern",
        "A.json#/properties/b/$ref",
        "B.json",
        "_d.json#/$defs/m/minimum",
    ]


def test_files_refer_to_each_other(tmp_path: Path) -> None:
    """By path, by pointer, by anchor, and by the ids that a published schema has."""
    schema = compiled(
        tmp_path,
        {
            "$id": "https://example.com/events/t.json",
            "properties": {"a": {"$ref": "/common.json#/$defs/a~1b"}, "b": {"$ref": "../common.json#money"}},
            "additionalProperties": {"$ref": "https://schemas.example/other"},
        },
        _common={
            "$id": "https://example.com/common.json",
            "$defs": {"a/b": {"type": "integer"}, "m": {"$anchor": "money", "minimum": 0}},
        },
        **{
            "defs/other": {"$id": "https://schemas.example/other", "$ref": "../_plain.json"},
            "_plain": {"$id": "https://schemas.example/_plain.json", "type": "null"},
        },
    )
    assert [each[:2] for each in schema.violations(b'{"a":"x","b":-1,"c":1}')] == [
        *(("/a", "type"), ("/b", "minimum"), ("/c", "type")),
    ]


def test_type_with_a_colon_is_no_scheme(tmp_path: Path) -> None:
    """The message says how to write it."""
    write(tmp_path, {"shop:order.json": {}, "defs/a.json": {}, "T.json": {"$ref": "shop:order.json#/$defs/a"}})
    reason = "refers to shop:order.json#/$defs/a, which is no file of the folder; write ./shop:order.json#/$defs/a"
    assert mistakes(tmp_path) == [f"T.json#/$ref: {reason}"]


def test_definitions_cannot_say_what_happens_to_events(tmp_path: Path) -> None:
    """It would be without effect."""
    write(tmp_path, {name: {"x-on-violation": "accept"} for name in ("A.json", "_d.json", "defs/d.json")})
    reason = "must be in the file of an event type: this one holds definitions"
    assert mistakes(tmp_path) == [f"{name}#/x-on-violation: {reason}" for name in ("_d.json", "defs/d.json")]


def test_repeated_id_is_told(tmp_path: Path) -> None:
    """A reference to it would be ambiguous."""
    write(tmp_path, {"A.json": {"$id": "C.json"}, "B.json": {"$id": "https://e.com/x"}, "C.json": {}})
    write(tmp_path, {"D.json": {"$id": "https://e.com/x#"}})
    assert mistakes(tmp_path) == ["A.json#/$id: means C.json already", "D.json#/$id: means B.json already"]


def test_line_about_a_mistake_is_bounded(tmp_path: Path) -> None:
    """The library quotes what is wrong."""
    write(tmp_path, {"A.json": {"required": "x" * 100_000}, "B.json": {"$ref": "x" * 100_000}})
    assert [len(line) for line in mistakes(tmp_path)] == [1_000, 1_000]
