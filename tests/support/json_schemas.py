"""Random schemas and payloads, and the reference implementation of JSON Schema to judge them."""

import json
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import jsonschema
from hypothesis import strategies as st

_NAMES = ["a", "b", "ab", "é", "a/b", "m~n", ""]
_PRECISION = 20_000
"""Enough for a remainder of numbers of 8,000 digits."""
_FORMATS = {
    "date": ["2026-11-30", "2026-13-30", "tomorrow"],
    "ipv4": ["127.0.0.1", "127.0.0.256", "localhost"],
    "ipv6": ["::1", "2001:db8::1", ":::"],
    "uuid": ["0198f3c0-1111-7abc-8def-0123456789ab", "0198f3c0"],
}
"""Of these the reference judges the clear cases alike; of others it checks little, as of `email` the @ alone."""
_PATTERNS = ["^a", "b$", "^[a-c]{2,3}$", "a.*b", "^(a|é)+$", "^$"]
"""Without classes such as \\d, which mean more characters in Python than in ECMA-262. No string holds a line break,
before which Python's $ matches, too."""

names = st.sampled_from(_NAMES)
_texts = st.text("abcé😀", max_size=4) | st.sampled_from([text for texts in _FORMATS.values() for text in texts])
_digits = st.sampled_from(
    ["0", "1", "2", "3", "10", "19.99", "0.3", "1.0", "2.50", "1e2", "1E-2", "15e-1", "-0", "-0.0"]
)
_odd_numbers = st.sampled_from(
    [
        *("9007199254740993", "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"),
        *("0.1234567890123456789012345", "1e400", "-1e400", "1e-400", "1" * 60, "9007199254740993.0", "3e30"),
    ]
)
_huge_numbers = st.sampled_from(["1e8000", "1e-8000", "7" * 8000, "-" + "1" * 4301, "0." + "3" * 7999])
numbers = st.one_of(_digits, _digits, _odd_numbers, st.integers(-20, 20).map(str))
payload_numbers = st.one_of(*[numbers] * 9, _huge_numbers)


def _array(items: Sequence[str]) -> str:
    return f"[{','.join(items)}]"


def _object(members: Sequence[tuple[str, str]]) -> str:
    """Write an object whose names may be repeated."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


def _values(leaves: st.SearchStrategy[str], *, repeat_names: bool) -> st.SearchStrategy[str]:
    unique = None if repeat_names else lambda member: member[0]
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4).map(_array)
            | st.lists(st.tuples(names, inner), max_size=4, unique_by=unique).map(_object)
        ),
        max_leaves=12,
    )


_words = st.sampled_from(["null", "true", "false"])
values = _values(payload_numbers | _texts.map(json.dumps) | _words, repeat_names=True)
payloads = st.lists(st.tuples(names, values), max_size=5).map(_object).map(str.encode)
"""As clients write them: numbers of all kinds, repeated names, escapes."""

# Arguments of keywords, as JSON text.
_small = st.integers(0, 3).map(str)
_scalars = numbers | _texts.map(json.dumps) | _words
_compared = _values(_scalars, repeat_names=False)
_type_names = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
_name_lists = st.lists(names, unique=True, max_size=2).map(json.dumps)
_steps = numbers.filter(lambda text: Decimal(text) >= Decimal("1e-20"))


def _schema_object(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, min_size=1, max_size=3).map(_array)
    maps = st.dictionaries(names, inner, max_size=3).map(lambda members: _object([*members.items()]))
    pattern_maps = st.dictionaries(st.sampled_from(_PATTERNS), inner, max_size=2).map(
        lambda members: _object([*members.items()])
    )
    arguments: dict[str, st.SearchStrategy[str]] = {
        "type": _type_names.map(json.dumps)
        | st.lists(_type_names, min_size=1, max_size=3, unique=True).map(json.dumps),
        "enum": st.lists(_compared, min_size=1, max_size=3).map(_array),
        "const": _compared,
        "multipleOf": _steps,
        **dict.fromkeys(("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"), numbers),
        **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), _small),
        **dict.fromkeys(("maxContains", "minContains"), _small),
        "pattern": st.sampled_from(_PATTERNS).map(json.dumps),
        "format": st.sampled_from([*_FORMATS]).map(json.dumps),
        "uniqueItems": st.sampled_from(["true", "false"]),
        "required": _name_lists,
        "dependentRequired": st.dictionaries(names, st.lists(names, unique=True, max_size=2), max_size=2).map(
            json.dumps
        ),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), lists),
        **dict.fromkeys(("properties", "dependentSchemas"), maps),
        "patternProperties": pattern_maps,
        **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "propertyNames"), inner),
        **dict.fromkeys(("additionalProperties", "unevaluatedProperties", "unevaluatedItems"), inner),
        "$ref": st.sampled_from(['"#/$defs/one"', '"#/$defs/two"']),
    }
    member = st.sampled_from([*arguments]).flatmap(lambda keyword: st.tuples(st.just(keyword), arguments[keyword]))
    return st.lists(member, max_size=4, unique_by=lambda pair: pair[0]).map(_object)


_inner = st.recursive(st.sampled_from(["true", "true", "{}", "false"]), _schema_object, max_leaves=8)


def _closed(root: str, one: str, two: str) -> str:
    """Put the definitions beside; a reference among those would lead to itself, so they hold none."""
    definitions = f'"$defs":{{"one":{_without_references(one)},"two":{_without_references(two)}}}'
    return "{" + definitions + ("," + root[1:] if root != "{}" else "}")


def _without_references(schema: str) -> str:
    return schema.replace('"$ref":', '"$comment":')


schemas = st.builds(_closed, _schema_object(_inner), _schema_object(_inner), _schema_object(_inner))


def decode(text: str | bytes) -> Any:
    """Decode JSON without loss; an integral number of any notation is an `int`, as the specification has it."""
    return json.loads(text, parse_float=_number, parse_int=_number)


def _number(text: str) -> int | Decimal:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number


def _is_number(_: jsonschema.TypeChecker, value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


_Reference = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def reference_errors(schema: str, payload: bytes) -> set[tuple[tuple[str | int, ...], str]]:
    """Return path and keyword of each error that the reference implementation finds."""
    reference = _Reference(decode(schema), format_checker=jsonschema.FormatChecker([*_FORMATS]))
    with localcontext() as context:
        context.prec = _PRECISION
        context.Emax, context.Emin = 10**9, -(10**9)
        return {(tuple(error.absolute_path), str(error.validator)) for error in reference.iter_errors(decode(payload))}
