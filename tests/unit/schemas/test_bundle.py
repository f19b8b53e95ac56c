"""A schema as one document."""

import json
from pathlib import Path
from time import thread_time

from adapters.schemas.bundle import encode
from tests.support.schema_folders import compiled


def test_definitions_come_along(tmp_path: Path) -> None:
    """From other files, too, and only those that are referred to."""
    schema = compiled(
        tmp_path,
        {
            "$id": "https://e.com/t.json",
            "properties": {
                "a": {"$ref": "_c.json#/$defs/money"},
                "b": {"$ref": "_c.json#/$defs/money"},
                "c": {"$ref": "#/$defs/money"},
                "d": {"$ref": "#"},
                "e": {"const": {"$ref": "no reference"}},
            },
            "$defs": {"money": {"type": "integer"}, "unused": {}},
        },
        _c={
            "$id": "https://e.com/_c.json",
            "$defs": {"money": {"minimum": 0.10, "$ref": "#/$defs/next"}, "next": {"$ref": "_d.json"}},
        },
        _d={"$id": "https://e.com/_d.json", "type": "number"},
    )
    assert json.loads(encode(schema.bundled("#/components/schemas/T"))) == {
        "properties": {
            "a": {"$ref": "#/components/schemas/T/$defs/money"},
            "b": {"$ref": "#/components/schemas/T/$defs/money"},
            "c": {"$ref": "#/components/schemas/T/$defs/money_2"},
            "d": {"$ref": "#/components/schemas/T"},
            "e": {"const": {"$ref": "no reference"}},
        },
        "$defs": {
            "money": {"minimum": 0.1, "$ref": "#/components/schemas/T/$defs/next"},
            "money_2": {"type": "integer"},
            "next": {"$ref": "#/components/schemas/T/$defs/_d"},
            "_d": {"type": "number"},
        },
    }
    again = compiled(tmp_path / "again", encode(schema.bundled()))
    payload = b'{"a":-1,"c":0.5,"d":{"b":"x"}}'
    assert again.violations(payload) == schema.violations(payload)
    assert [violation.pointer for violation in again.violations(payload)] == ["/a", "/c", "/d/b"]


def test_dialect_is_said_once(tmp_path: Path) -> None:
    """At the top of a document of its own; inside of another one it would begin another resource."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema = compiled(tmp_path, {**dialect, "items": {"$ref": "_c.json"}}, _c={**dialect, "type": "null"})
    definitions = {"_c": {"type": "null"}}
    assert schema.bundled() == {**dialect, "items": {"$ref": "#/$defs/_c"}, "$defs": definitions}
    assert schema.bundled("#/components/schemas/T") == {
        "items": {"$ref": "#/components/schemas/T/$defs/_c"},
        "$defs": definitions,
    }


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    """Whatever reads the document may round them."""
    text = '{"multipleOf":0.12345678901234567890123,"maximum":123456789012345678901234567890}'
    assert encode(compiled(tmp_path, text).bundled()).decode() == text


def test_reference_may_lead_to_a_type_with_a_colon(tmp_path: Path) -> None:
    """As a relative reference it begins with `./`, or its colon is encoded."""
    refund = {"anyOf": [{"$ref": "./shop:order.json"}, {"$ref": "shop%3Aorder.json"}]}
    schema = compiled(tmp_path, refund, **{"shop:order": {"type": "object", "required": ["sku"]}})
    assert [violation.keyword for violation in schema.violations(b"{}")] != []
    assert json.loads(encode(schema.bundled()))["$defs"] == {"shop_order": {"type": "object", "required": ["sku"]}}


def test_many_definitions_are_bundled_in_linear_time(tmp_path: Path) -> None:
    """Also if all of them want the same name."""
    names = [f"{index:013b}".translate({48: "!", 49: "$"}) for index in range(8_000)]
    members = {name: {"$ref": f"#/$defs/{name}"} for name in names}
    schema = compiled(tmp_path, {"properties": members, "$defs": {name: {"const": name} for name in names}})
    started = thread_time()
    found = schema.bundled()
    assert thread_time() - started < 1
    assert [definition["const"] for definition in json.loads(encode(found))["$defs"].values()] == names
