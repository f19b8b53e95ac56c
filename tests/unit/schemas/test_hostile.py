"""Hostile schemas and payloads hold up the event loop for 20 ms at most; all figures are of the processor's time."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import thread_time

import pytest

from adapters.schemas.limits.payload_size import KEYWORD
from adapters.schemas.load import load_schemas
from domain.payload_rules import MAX_PRINTED_BYTES, check_payload
from tests.support.schema_folders import compiled, in_place, mistakes, write

_MAX_SECONDS = 0.020
_RANDOM = random.Random(20)
_LETTERS = "".join(filter(str.isalpha, map(chr, range(0x80, 0x30000))))
_BYTES = MAX_PRINTED_BYTES - 1_000


def _text(alphabet: str, length: int) -> str:
    return "".join(_RANDOM.choices(alphabet, k=length))


def _repeated(item: str, size: int = _BYTES) -> str:
    return ",".join([item] * (size // (len(item) + 1)))


PAYLOADS = {
    "many small values": f'{{"a":[{_repeated("1")}]}}',
    "many objects": f'{{"a":[{_repeated("{}")}]}}',
    "many members": json.dumps({f"k{index}": index for index in range(38_000)}),
    "deep and large": '{"a":' + "[" * 198 + _repeated("1", 400_000) + "]" * 198 + "}",
    "deep objects": '{"a":' * 199 + "1" + "}" * 199,
    "deep arrays of different items": '{"a":' + "[" * 195 + "1" + ",[1],[2],[3],4,5,6,7,8,9]" * 195 + "}",
    "distinct numbers": json.dumps({"a": list(range(80_000))}),
    "hundred thousand strings": json.dumps({"a": [str(index) for index in range(60_000)]}),
    "colliding numbers": '{"a":[' + ",".join(str(10**200 + index) for index in range(600)) + "]}",
    "numbers of 8,000 digits": '{"a":[' + ",".join(["7" * 7_999] * 60) + "]}",
    "large exponents": f'{{"a":[{_repeated("1e8000", 400)}]}}',
    "small exponents": '{"a":[1e-8000,15e-7999]}',
    "one number of 8,000 digits": f'{{"a":[0.{"3" * 7_998}]}}',
    "few fractions": json.dumps({"a": [index + 0.25 for index in range(300)]}),
    "few long numbers": json.dumps({"a": [10**18 + index for index in range(300)]}),
    "wide numbers": f'{{"a":[{_repeated("9" * 15, 80_000)}]}}',
    "wide fractions": f'{{"a":[{_repeated("0." + "3" * 300, 208_000)}]}}',
    "fractions": json.dumps({"a": [index + 0.25 for index in range(60_000)]}),
    "long string": json.dumps({"a": _text("ab", _BYTES)}),
    "long string of words": json.dumps({"a": _text("aé -", _BYTES // 2)}, ensure_ascii=False),
    "strings": json.dumps({"a": [_text("ab", 30) for _ in range(15_000)]}),
    "strings of many ends": json.dumps({"a": [_text("a@", 100) + "@" + _text("a@", 99) for _ in range(2_400)]}),
    "strings of many letters": json.dumps({"a": [_text("ab", 200) + "a" + _text("ab", 200) for _ in range(1_200)]}),
    "names of many ends": json.dumps({_text("ak", 100) + "k" + _text("ak", 99): 1 for _ in range(2_400)}),
    "strings of letters": json.dumps({"a": [_text(_LETTERS, 120) for _ in range(1_100)]}, ensure_ascii=False),
    "one member": '{"a":1}',
    "small fractions": json.dumps({"a": [0.5] * 2_900}),
    "values beside a number of 5,000 digits": f"""{{"b":{"7" * 5_000},"a":[{_repeated('{"k":0.5}', 158_000)}]}}""",
    "names": json.dumps({_text("ab", 40): 1 for _ in range(10_000)}),
}

_NODE = {"$ref": "#/$defs/n"}
SCHEMAS: dict[str, object] = {
    "type": {"properties": {"a": {"type": "string"}}},
    "items": {"properties": {"a": {"items": {"type": "string"}}}},
    "recursive anyOf": {
        "$defs": {"n": {"anyOf": [{"items": _NODE, "properties": {"a": _NODE}, "type": ["array", "object"]}] * 2}},
        **_NODE,
    },
    "recursive uniqueItems": {"uniqueItems": True, "items": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}},
    "recursive contains": {
        "$defs": {"n": {"contains": _NODE, "items": _NODE, "properties": {"a": _NODE}, "not": {"items": _NODE}}},
        **_NODE,
    },
    "recursive unevaluatedProperties": {
        "$defs": {"n": {"unevaluatedProperties": False, "anyOf": [{"properties": {"a": _NODE}}] * 2}},
        **_NODE,
    },
    "recursive if": {
        "$defs": {
            "n": {"if": {"items": _NODE}, "then": {"properties": {"a": _NODE}}, "else": False, "type": "object"},
        },
        **_NODE,
    },
    "pattern of many states": {"properties": {"a": {"pattern": "^[ab]*a[ab]{200}$"}}},
    "pattern for items": {"properties": {"a": {"items": {"pattern": "^[ab]*a[ab]{20}$"}}}},
    "pattern of words": {"properties": {"a": {"pattern": r"\b\w{1,60}\b.*\b\w{1,60}z"}}},
    "pattern of a word": {"properties": {"a": {"pattern": r"\b\w+\bz"}}},
    "patternProperties": {"patternProperties": {"^[ab]*a[ab]{20}$": {"type": "string"}, "^k": {"type": "string"}}},
    "pattern of two ends": {"properties": {"a": {"items": {"pattern": "^.{0,100}@.{1,100}$"}}}},
    "pattern of bounded ends": {"properties": {"a": {"items": {"pattern": "^[ab]{0,200}a[ab]{200}$"}}}},
    "pattern of few ends": {"properties": {"a": {"items": {"pattern": "^[ab]{0,5}a[ab]{900}$"}}}},
    "pattern of alternatives": {
        "properties": {"a": {"pattern": "^(([ab]{7})*c|([ab]{11})*d|([ab]{13})*e|([ab]{17})*f)$"}},
    },
    "pattern of letters": {"properties": {"a": {"items": {"pattern": r"^(\p{L}|\p{N}){1,200}$"}}}},
    "pattern of clear ends": {"properties": {"a": {"items": {"pattern": r"^[ab]{1,99}(@[ab]{1,63}){0,9}$"}}}},
    "patternProperties of two ends": {"patternProperties": {"^.{0,100}k.{0,100}$": {"type": "integer"}}},
    "e-mail": {"properties": {"a": {"items": {"pattern": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"}}}},
    "small step": '{"properties":{"a":{"items":{"multipleOf":1e-20}}}}',
    "unevaluatedProperties in place": in_place(5),
    "unevaluatedProperties in two": in_place(3, "anyOf", times=2),
    "unevaluatedItems in place": {"properties": {"a": in_place(5, "oneOf", "unevaluatedItems")}},
    "propertyNames": {"propertyNames": {"pattern": "^[a-j]{1,9}$", "maxLength": 4}},
    "numbers": {"properties": {"a": {"items": {"multipleOf": 0.07, "minimum": 3.5}}}},
    "bound that is a fraction": {"properties": {"a": {"items": {"minimum": 0.1, "maximum": 1e17}}}},
    "enum": {"properties": {"a": {"items": {"enum": [*(f"x{index}" for index in range(900)), None]}}}},
    "enum of numbers": {"properties": {"a": {"items": {"enum": list(range(250))}}}},
    "enum of fractions": {"properties": {"a": {"items": {"enum": [0.5, *range(40)]}}}},
    "formats": {"properties": {"a": {"format": "idn-hostname", "items": {"format": "uri-reference"}}}},
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_hostile_payloads_are_checked_in_20_ms(tmp_path: Path, schema: str) -> None:
    """Or refused as too large for the schema."""
    checked = compiled(tmp_path, SCHEMAS[schema])
    slow = {}
    for name, text in PAYLOADS.items():
        payload = check_payload(text.encode())
        seconds = min(_seconds(partial(checked.violations, payload)) for _ in range(5))
        if seconds > _MAX_SECONDS:
            slow[name] = seconds
    assert not slow


def test_refusal_says_what_would_be_small_enough(tmp_path: Path) -> None:
    """One violation of the whole payload."""
    checked = compiled(tmp_path, SCHEMAS["pattern of many states"])
    (violation,) = checked.violations(PAYLOADS["long string"].encode())
    assert (violation.pointer, violation.keyword) == ("", KEYWORD)
    assert f"at most {checked.limit.max_values:,} values or {checked.limit.max_bytes:,} bytes" in violation.expected


def test_usual_payload_is_not_refused_for_its_size(tmp_path: Path) -> None:
    """64 KiB of text beside a schema with patterns that are anchored, 1,000 items with numbers, a long number."""
    item = {"properties": {"sku": {"pattern": "^[A-Z]{3}-[0-9]{1,9}$"}, "price": {"type": "number", "minimum": 0}}}
    checked = compiled(tmp_path, {"properties": {"note": {"type": "string"}, "items": {"items": item}}})
    items = [{"sku": "ABC-1", "price": 1.99}] * 1_000
    assert checked.violations(json.dumps({"note": "x" * 65_536, "items": items, "id": 10**30}).encode()) == ()
    codes = {"enum": list(range(100, 600))}
    checked = compiled(tmp_path, {"properties": {"code": codes, "country": {"enum": [f"c{i}" for i in range(9_000)]}}})
    payload = {"code": 200, "country": "c8999", "at": [1.5] * 3, "note": [str(index) for index in range(400)]}
    assert checked.violations(json.dumps(payload).encode()) == ()


def test_collection_of_100_schemas_loads_within_a_second(tmp_path: Path) -> None:
    """Of 16 KiB each, as the larger ones of public collections, with 500 patterns; half refer to shared definitions."""
    member = {"type": "string", "minLength": 1, "pattern": "^[a-z]+$", "description": "x" * 60}
    rare = {"type": "string", "format": "date-time", "description": "x" * 60}
    shared = {"$ref": "_common.json#/$defs/money"}
    for index in range(100):
        members = {f"p{number}": shared if index % 2 and number % 9 == 0 else member for number in range(120)}
        members |= {f"q{number}": {**rare, "pattern": f"^{index}-{number}.*Z$"} for number in range(5)}
        write(tmp_path, {f"t{index}.json": {"type": "object", "properties": members, "required": ["p1"]}})
    write(tmp_path, {"_common.json": {"$defs": {"money": {"type": "number", "minimum": 0}}}})
    assert (tmp_path / "t0.json").stat().st_size > 16_000
    started = thread_time()
    assert len(load_schemas(tmp_path)) == 100
    assert thread_time() - started < 1


def test_typical_payload_costs_15_microseconds_at_most(tmp_path: Path) -> None:
    """Ten members, decoding included."""
    schema = {
        "type": "object",
        "required": ["sku", "price", "at"],
        "additionalProperties": False,
        "properties": {
            "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+$", "maxLength": 40},
            "price": {"type": "number", "minimum": 0, "multipleOf": 0.01},
            "currency": {"enum": ["EUR", "USD"]},
            "quantity": {"type": "integer", "minimum": 1, "maximum": 100},
            "at": {"type": "string", "format": "date-time"},
            "id": {"type": "string", "format": "uuid"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10, "uniqueItems": True},
            "gift": {"type": "boolean"},
            "note": {"type": ["string", "null"], "maxLength": 200},
            "customer": {"type": "object", "properties": {"country": {"minLength": 2, "maxLength": 2}}},
        },
    }
    payload = (
        b'{"sku":"ABC-123","price":19.99,"currency":"EUR","quantity":3,"at":"2026-11-30T12:00:00Z","gift":false,'
        b'"id":"0198f3c0-1111-7abc-8def-0123456789ab","tags":["a","b"],"note":null,"customer":{"country":"DE"}}'
    )
    violations = compiled(tmp_path, schema).violations
    assert violations(payload) == ()
    best = min(_seconds(lambda: [violations(payload) for _ in range(200)]) for _ in range(20)) / 200
    assert best < 15e-6


def _seconds(call: Callable[[], object]) -> float:
    started = thread_time()
    call()
    return thread_time() - started


def test_explanation_ends_with_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the enclosing value is named."""
    monkeypatch.setattr("adapters.schemas.explanation.MAX_SECONDS", -1.0)
    (violation,) = compiled(tmp_path, {"properties": {"a": {"type": "null"}}}).violations(b'{"a":1}')
    assert violation[:2] == ("", "schema")


def test_repeated_names_are_found_in_linear_time(tmp_path: Path) -> None:
    """30,000 names, each there twice."""
    members = ",".join(f'"n{index}":true' for index in range(30_000))
    write(tmp_path, {"T.json": f'{{"properties":{{{members},{members}}}}}'})
    assert _seconds(lambda: mistakes(tmp_path)) < 2


def test_first_invalid_payload_waits_for_no_large_pattern(tmp_path: Path) -> None:
    """What explains it is compiled at start."""
    members = {f"p{index}": {"pattern": f"^\\p{{L}}{{60}}<{index}>"} for index in range(20)}
    checked = compiled(tmp_path, {"properties": {"g": {"properties": members}}, "anyOf": [{"properties": members}, {}]})
    assert _seconds(lambda: checked.violations(b'{"g":{"p1":"1","p2":"2"}}')) < _MAX_SECONDS


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"properties": {f"p{index}": {"type": "string", "maxLength": 5} for index in range(18_000)}}]},
        {
            "properties": {"g": {"properties": {f"p{index}": {"$ref": f"#/$defs/d{index}"} for index in range(8_000)}}},
            "$defs": {f"d{index}": {"type": "string", "maxLength": 5} for index in range(8_000)},
        },
        {"properties": {"p1": {"anyOf": [{"enum": [f"x{index}" for index in range(80_000)]}]}}},
        {"properties": {"p1": {"enum": [f"x{index}" for index in range(80_000)]}}},
        {"required": [f"x{index}" for index in range(1_500)], "additionalProperties": {"const": ["x" * 900_000]}},
    ],
    ids=["members", "references", "options inside", "options", "texts"],
)
def test_first_invalid_payloads_wait_for_no_large_schema(tmp_path: Path, schema: object) -> None:
    """Neither does a later one that asks for more of it."""
    checked = compiled(tmp_path, schema)
    for _ in range(3):
        assert _seconds(lambda: checked.violations(b'{"g":{"p1":1,"p2":2},"p1":1}')) < _MAX_SECONDS


def test_schemas_with_too_large_patterns_are_refused_quickly(tmp_path: Path) -> None:
    """At the pattern that is too much, or at the schema that repeats them too often."""
    large = {f"p{index}": {"pattern": f"^\\p{{L}}{{60}}<{index}>"} for index in range(300)}
    nested: object = {"properties": dict(list(large.items())[:40])}
    for _ in range(9):
        nested = {"properties": {"a": nested}}
    write(tmp_path, {"A.json": {"properties": large}, "B.json": {"pattern": "^" + "(" * 3_000 + ")" * 3_000}})
    found: list[str] = []
    assert _seconds(lambda: found.extend(mistakes(tmp_path))) < 3
    assert [line.partition(",")[0].partition(": ")[::2] for line in found] == [
        ("A.json#/properties/p55/pattern", "has too many states"),
        ("B.json#/pattern", "has too many states"),
    ]
    write(tmp_path, {"A.json": nested, "B.json": {}})
    (problem,) = mistakes(tmp_path)
    assert problem.startswith("A.json: has too large patterns")
