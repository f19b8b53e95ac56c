"""What one schema costs by its own keywords.

The figures are the largest of jsonschema-rs 0.60, measured on payloads and schemas made to be slow, rounded up.
"""

from decimal import Decimal
from operator import add
from typing import NamedTuple

from adapters.schemas.files.json_text import Json
from adapters.schemas.limits.pattern_cost import ns_per_byte

_SCHEMA_NS = 30.0
_KEYWORD_NS = 15.0
_COMPARED_NS = 25.0
_COMPARED_NUMBER_NS = 1_500.0
"""Where one of both is no integer of 64 bits."""
_MAX_PLAIN = 2**63 - 1
_COMPARED_INSIDE_NS = 600.0
"""For each value inside of a compared object or array."""
_NUMBER_NS = 2_500.0
_BOUND_NS = 1_300.0
_WIDE_NS = 2_500.0
_FORMAT_NS_PER_BYTE = 25.0
_REQUIRED_NS = 50.0
_SQUARE_OF_DIGITS_NS = 0.11
_SQUARE_OF_DIVIDED_NS = 0.3
_SQUARE_OF_TYPE_NS = 0.025
_SQUARE_OF_EQUALITY_NS = 0.15
_LEVEL_NS = 100.0


class Cost(NamedTuple):
    """What one value of a payload, and one byte of it, cost at most, in nanoseconds."""

    value: float = 0.0
    byte: float = 0.0
    digits: float = 0.0
    """For the square of the digits of a number."""
    level: float = 0.0
    """For each value and level above it, where items of arrays are compared with each other."""
    fraction: float = 0.0
    """For each number with a point, an exponent or over 17 digits, which is compared with options in a slow way."""
    wide: float = 0.0
    """For each six digits of a number, which is compared with a bound that is a fraction."""

    def plus(self, other: "Cost") -> "Cost":
        """Return the cost of both."""
        return Cost(*map(add, self, other))

    def times(self, factor: float) -> "Cost":
        """Return the cost of doing it as often as `factor`."""
        return Cost(*(factor * each for each in self))

    def most(self, other: "Cost") -> "Cost":
        """Return the cost of either."""
        return Cost(*map(max, self, other))


def own_cost(schema: dict[str, Json]) -> Cost:
    """Add up the keywords of a schema, without the schemas inside of it."""
    cost = Cost(_SCHEMA_NS)
    for keyword, argument in schema.items():
        cost = cost.plus(_keyword_cost(keyword, argument))
    return cost


def _keyword_cost(keyword: str, argument: Json) -> Cost:
    cost = Cost(_KEYWORD_NS)
    match keyword, argument:
        case (("maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum"), _):
            wide = _WIDE_NS if isinstance(argument, Decimal) else 0.0
            cost = Cost(_BOUND_NS, digits=_SQUARE_OF_DIGITS_NS, wide=wide)
        case "multipleOf", _:
            cost = Cost(_NUMBER_NS, digits=_SQUARE_OF_DIVIDED_NS)
        case "type", list() | "integer":
            cost = Cost(_KEYWORD_NS, digits=_SQUARE_OF_TYPE_NS)
        case "const", _:
            cost = _comparison_cost([argument])
        case "enum", list():
            cost = _comparison_cost(argument)
        case (("required" | "dependentRequired"), _):
            cost = Cost(_REQUIRED_NS * size(argument))
        case "pattern", str():
            cost = Cost(_KEYWORD_NS, ns_per_byte(argument))
        case "format", _:
            cost = Cost(_KEYWORD_NS, _FORMAT_NS_PER_BYTE)
        case "uniqueItems", True:
            cost = Cost(_KEYWORD_NS, level=_LEVEL_NS)
    return cost


def _comparison_cost(options: list[Json]) -> Cost:
    numbers = [option for option in options if isinstance(option, (int, Decimal)) and not isinstance(option, bool)]
    value = _KEYWORD_NS + _COMPARED_INSIDE_NS * sum(size(option) for option in options)
    if not numbers:
        # The engine looks up strings, null, true and false at once.
        return Cost(value)
    value += _NUMBER_NS
    if any(isinstance(number, Decimal) or abs(number) > _MAX_PLAIN for number in numbers):
        value += _COMPARED_NUMBER_NS * len(numbers)
    if len(numbers) < len(options):
        # It goes through a list of different kinds, and looks up integers alone.
        value += _COMPARED_NS * len(options)
    digits = _SQUARE_OF_EQUALITY_NS * len(numbers)
    return Cost(value, digits=digits, fraction=_COMPARED_NUMBER_NS * len(numbers))


def size(value: Json) -> int:
    """Count the values inside of a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + size(each) for each in inner)
