"""What each keyword expects of a value, in words."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal

from adapters.schemas.files.json_text import Json
from domain.payload_schema import MAX_EXPECTED_CHARS, cut


def expectation(keyword: str, argument: Json) -> str:
    """Say what a keyword with this argument expects, as in "must be at least 0"; cut to `MAX_EXPECTED_CHARS`."""
    phrase = _PHRASES.get(keyword)
    return cut("must match its schema" if phrase is None else phrase(argument), MAX_EXPECTED_CHARS)


def shown(value: Json) -> str:
    """Write a value of a schema as JSON; of a longer one, at least the first `MAX_EXPECTED_CHARS` characters."""
    text = ""
    # No more pieces than are shown: a list of options may be long, and is written for each violation.
    for piece in _encoder.iterencode(value):
        text += piece
        if len(text) > MAX_EXPECTED_CHARS:
            break
    return text


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


_encoder = json.JSONEncoder(ensure_ascii=False, default=_number)


def _type(argument: Json) -> str:
    names = [str(name) for name in argument] if isinstance(argument, list) else [str(argument)]
    article = "an" if names[0][0] in "aio" else "a"
    if len(names) == 1:
        return "must be null" if names == ["null"] else f"must be {article} {names[0]}"
    return f"must be of one of the types {', '.join(names)}"


def _enum(argument: Json) -> str:
    # Without the brackets; of a longer list, the end is cut off anyway.
    return "must be one of " + shown(argument)[1:].removesuffix("]")


def _count(argument: Json) -> int:
    return len(argument) if isinstance(argument, list) else 0


def _number_phrase(words: str) -> Callable[[Json], str]:
    return lambda argument: f"must be {words} {argument}"


def _count_phrase(words: str, things: str) -> Callable[[Json], str]:
    return lambda argument: f"must have {words} {argument} {things}{'' if argument == 1 else 's'}"


_PHRASES: Mapping[str, Callable[[Json], str]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda argument: f"must be {shown(argument)}",
    "multipleOf": _number_phrase("a multiple of"),
    "maximum": _number_phrase("at most"),
    "exclusiveMaximum": _number_phrase("less than"),
    "minimum": _number_phrase("at least"),
    "exclusiveMinimum": _number_phrase("greater than"),
    "maxLength": _count_phrase("at most", "character"),
    "minLength": _count_phrase("at least", "character"),
    "pattern": lambda argument: f"must match the pattern {argument}",
    "format": lambda argument: f"must be in the format {argument}",
    "maxItems": _count_phrase("at most", "item"),
    "minItems": _count_phrase("at least", "item"),
    "uniqueItems": lambda _: "must hold no two equal items",
    "contains": lambda _: "must hold as many items of a certain kind as its schema says",
    "maxProperties": _count_phrase("at most", "member"),
    "minProperties": _count_phrase("at least", "member"),
    "required": lambda argument: f"must have the member {shown(argument)}",
    "dependentRequired": lambda argument: f"must have the member {shown(argument)} beside its others",
    "propertyNames": lambda _: "must have members whose names match a schema",
    "anyOf": lambda argument: f"must match at least one of {_count(argument)} schemas",
    "oneOf": lambda argument: f"must match exactly one of {_count(argument)} schemas",
    "not": lambda _: "must not match the schema that is excluded",
    "unevaluatedProperties": lambda _: "must have no member that its schema does not name",
    "unevaluatedItems": lambda _: "must have no item that its schema does not name",
    "false": lambda _: "must be absent",
}
