"""Violations: where, by which keyword, and what was expected, but never a value of the payload."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.schemas.compiled import CompiledSchema
from adapters.schemas.expectations import expectation
from adapters.schemas.files.json_text import Json
from adapters.schemas.files.keywords import FORMATS
from domain.payload_schema import MAX_EXPECTED_CHARS, MAX_POINTER_CHARS, MAX_VIOLATIONS, Violation
from tests.support.schema_folders import compiled

ORDER = {
    "type": "object",
    "required": ["sku"],
    "additionalProperties": False,
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "price": {"type": "number", "minimum": 0, "multipleOf": 0.01},
        "at": {"format": "date-time"},
        "tags": {"uniqueItems": True, "items": {"type": "string", "maxLength": 1}},
    },
}


def test_violations_have_pointer_keyword_and_expectation(tmp_path: Path) -> None:
    """Of all members, in the order of the schema."""
    schema = compiled(tmp_path, ORDER)
    payload = b'{"price":19.999,"at":"now","tags":["secret","a","a"],"x/y":1}'
    assert list(schema.violations(payload)) == [
        Violation("", "required", 'must have the member "sku"'),
        Violation("/x~1y", "additionalProperties", "must be absent", "/*"),
        Violation("/price", "multipleOf", "must be a multiple of 0.01", "/price"),
        Violation("/at", "format", "must be in the format date-time", "/at"),
        Violation("/tags", "uniqueItems", "must hold no two equal items", "/tags"),
        Violation("/tags/0", "maxLength", "must have at most 1 character", "/tags/*"),
    ]
    assert schema.violations(b'{"sku":"ABC","price":19.99}') == ()


def test_messages_read_alone_and_with_a_pointer() -> None:
    """As a line of a dead letter, and in `errors[]` of RFC 9457, whose pointers are URI fragments."""
    violation = Violation("/a b/é~1", "minimum", "must be at least 0", "/a b/*")
    assert violation.message == "/a b/* must be at least 0"
    assert violation.fragment == "#/payload/a%20b/%C3%A9~1"
    assert Violation("/a", "type", "must be null", "/a\n\x1bé\u2028").message == r"/a\n\x1bé\u2028 must be null"
    assert Violation("", "required", "must have the member a").message == "must have the member a"


@pytest.mark.parametrize(
    ("schema", "payload", "pointer", "keyword"),
    [
        ({"properties": {"a": {"type": ["null", "string"]}}}, {"a": 1}, "/a", "type"),
        ({"properties": {"a": {"enum": ["x"]}}}, {"a": "y"}, "/a", "enum"),
        ({"properties": {"a": {"const": None}}}, {"a": 0}, "/a", "const"),
        ({"properties": {"a": {"exclusiveMaximum": 1}}}, {"a": 1}, "/a", "exclusiveMaximum"),
        ({"properties": {"a": {"contains": {"const": 1}, "maxContains": 1}}}, {"a": [1, 1]}, "/a", "contains"),
        ({"properties": {"a": {"prefixItems": [{"type": "null"}]}}}, {"a": [1]}, "/a/0", "type"),
        ({"properties": {"a": {"prefixItems": [{}], "items": False}}}, {"a": [1, 2]}, "/a/1", "items"),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"xy": 1}, "/xy", "type"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "", "propertyNames"),
        ({"maxProperties": 0}, {"ab": 1}, "", "maxProperties"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "", "dependentRequired"),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1}, "", "required"),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, "", "required"),
        ({"if": {"required": ["a"]}, "else": {"minProperties": 1}}, {}, "", "minProperties"),
        ({"allOf": [{}, {"properties": {"a": {"type": "null"}}}]}, {"a": 1}, "/a", "type"),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "", "anyOf"),
        ({"oneOf": [{}, {}]}, {}, "", "oneOf"),
        ({"not": {}}, {}, "", "not"),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"b": 1}, "", "unevaluatedProperties"),
        ({"properties": {"a": {"unevaluatedItems": False}}}, {"a": [1]}, "/a", "unevaluatedItems"),
        (
            {"properties": {"a": {"unevaluatedProperties": False, "unevaluatedItems": False}}},
            {"a": [1]},
            "/a",
            "unevaluatedItems",
        ),
        (False, {}, "", "schema"),
    ],
)
def test_violation_names_its_keyword(
    tmp_path: Path, schema: object, payload: object, pointer: str, keyword: str
) -> None:
    """At the value that breaks it."""
    (violation,) = compiled(tmp_path, schema).violations(json.dumps(payload).encode())
    assert violation[:2] == (pointer, keyword)


def test_number_and_length_of_violations_are_bounded(tmp_path: Path) -> None:
    """A pointer that is too long ends at the enclosing value, so that it stays one."""
    schema = compiled(
        tmp_path,
        {"additionalProperties": {"items": {"enum": ["x" * 500]}}, "properties": {"n": {"$ref": "#"}}},
    )
    found = schema.violations(json.dumps({"a": [1] * 1_000}).encode())
    assert len(found) == MAX_VIOLATIONS
    assert len(found[0].expected) == MAX_EXPECTED_CHARS
    (violation,) = schema.violations(json.dumps({"n": {"y" * 253: [0] * 30}}).encode())
    assert violation.pointer == "/n/" + "y" * 253
    (violation,) = schema.violations(json.dumps({"n": {"y" * 254: [0] * 30}}).encode())
    assert violation.pointer == "/n"
    assert len(violation.pointer) <= MAX_POINTER_CHARS


def test_on_violation_says_whether_to_reject(tmp_path: Path) -> None:
    """Reject unless it says otherwise; violations are found in both cases."""
    schemas = [
        compiled(tmp_path, {"required": ["a"], **more})
        for more in ({}, *({"x-on-violation": x} for x in ("reject", "accept")))
    ]
    assert [schema.rejects for schema in schemas] == [True, True, False]
    assert [len(schema.violations(b"{}")) for schema in schemas] == [1, 1, 1]


def test_text_of_the_schema_is_kept(tmp_path: Path) -> None:
    """Byte for byte, for who asks for it."""
    text = b'{ "$id": "https://e.com/t", "$ref": "#/$defs/a", "$defs": {"a": {"minimum": 1.0}} }'
    assert compiled(tmp_path, text).text == text


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_formats_are_asserted(tmp_path: Path, format_name: str) -> None:
    """Who writes one expects it to be checked, although the draft only annotates by default."""
    schema = compiled(tmp_path, {"properties": {"a": {"format": format_name}}})
    bad = "(" if format_name == "regex" else "\\ {["
    (violation,) = schema.violations(json.dumps({"a": bad}).encode())
    assert violation == Violation("/a", "format", f"must be in the format {format_name}", "/a")
    assert schema.violations(b'{"a":1}') == ()


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, ["1.0", "1e2", "-0", "-0.0", "1e400", "9" * 40, "1E+3"], ["1.5", "1e-1", '"1"']),
        ({"maximum": 9007199254740992}, ["9007199254740992", "9007199254740992.0"], ["9007199254740993"]),
        ({"exclusiveMinimum": 0}, ["1e-400"], ["0", "-0", "-0.0", "-1e-400"]),
        ({"multipleOf": 0.01}, ["19.99", "1e300", "0.07", "123456789012345678901.01"], ["19.999", "1e-300"]),
        ({"enum": [1, 0.1]}, ["1.0", "10e-1", "0.10"], ["0.1000000000000000055511151231257827"]),
        ({"const": 18446744073709551617}, ["18446744073709551617", "18446744073709551617.0"], ["18446744073709551616"]),
        ({"uniqueItems": True}, ["[1,true,1.5,10]", "[0.1,0.10000000000000001]"], ["[1,1.0]", "[0,-0]"]),
    ],
)
def test_numbers_keep_their_value(tmp_path: Path, schema: object, good: list[str], bad: list[str]) -> None:
    """Whatever their notation; nothing is rounded."""
    checked = compiled(tmp_path, {"properties": {"a": schema}})
    assert [text for text in good if checked.violations(b'{"a":%b}' % text.encode())] == []
    assert [text for text in bad if not checked.violations(b'{"a":%b}' % text.encode())] == []


def test_of_repeated_names_the_last_one_counts(tmp_path: Path) -> None:
    """As in `jsonb`, where the payload is stored."""
    schema = compiled(tmp_path, {"properties": {"a": {"type": "integer"}}})
    assert schema.violations(b'{"a":"x","a":1}') == ()
    assert len(schema.violations(b'{"a":1,"a":"x"}')) == 1


@pytest.mark.parametrize("payload", [b'{"a":"\\ud800"}', b'{"a":', b"", b'{"a":"\xff"}', b"[" * 5_000])
def test_unreadable_payload_is_a_violation(tmp_path: Path, payload: bytes) -> None:
    """Never an error; the validator has refused it before."""
    (violation,) = compiled(tmp_path, {}).violations(payload)
    assert violation.keyword == "type"


def test_threads_may_share_a_schema(tmp_path: Path) -> None:
    """Parts are compiled at the first violation."""
    schema = compiled(tmp_path, ORDER)

    def check(index: int) -> tuple[str, ...]:
        found = schema.violations(b'{"sku":%d,"tags":[1]}' % index)
        return tuple(violation.pointer for violation in found)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(check, range(400))) == {("/sku", "/tags/0")}


def test_schema_implements_the_port(tmp_path: Path) -> None:
    """Its attributes are those of `PayloadSchema`."""
    schema: CompiledSchema = compiled(tmp_path, {})
    assert schema.rejects


def test_names_that_the_schema_does_not_name_are_told_by_the_pointer_alone(tmp_path: Path) -> None:
    """They may be personal data; the place and the message go to logs and dead letters."""
    amount = {"type": "object", "properties": {"0": {"minimum": 0}}}
    schema = compiled(
        tmp_path,
        {
            "properties": {"by": {"additionalProperties": amount}, "at": {"patternProperties": {"@": amount}}},
        },
    )
    first, second = schema.violations(b'{"by":{"a@b.c":{"0":-1}},"at":{"a@b.c":{"0":-1}}}')
    assert first == Violation("/by/a@b.c/0", "minimum", "must be at least 0", "/by/*/0")
    assert (second.pointer, second.message) == ("/at/a@b.c/0", "/at/*/0 must be at least 0")


@pytest.mark.parametrize(
    "argument", [{"enum": [f"option {i}" for i in range(25_000)]}, {"const": {f"name {i}": [i] for i in range(25_000)}}]
)
def test_long_argument_is_written_no_further_than_it_is_shown(argument: dict[str, Json]) -> None:
    """It is written for each violation."""
    ((keyword, value),) = argument.items()
    expectation(keyword, value)
    started = time.thread_time()
    for _ in range(20):
        text = expectation(keyword, value)
    assert time.thread_time() - started < 0.02
    assert len(text) == MAX_EXPECTED_CHARS
    assert text.startswith(('must be one of "option 0", "option 1", ', 'must be {"name 0": [0], "name 1": [1], '))
