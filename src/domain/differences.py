"""What differs between two JSON values."""

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

MAX_DIFFERENCES = 100
_MAX_DIGITS = 300
_ABSENT = object()


class Difference(NamedTuple):
    """A place where two values differ: `pointer` is a JSON pointer (RFC 6901), the rest JSON text, None if absent."""

    pointer: str
    before: str | None
    after: str | None


def differences(before: object, after: object) -> list[Difference]:
    """Compare two JSON values, numbers by their value; at most `MAX_DIFFERENCES`, those of objects member by member."""
    found: list[Difference] = []
    for difference in _differences("", before, after):
        found.append(difference)
        if len(found) == MAX_DIFFERENCES:
            break
    return found


def parse_json(text: str | bytes) -> object:
    """Parse JSON with numbers that keep their digits. Raises `ValueError`, or `RecursionError` where it is too deep."""
    return json.loads(text, parse_float=_decimal, parse_int=_decimal, parse_constant=_no_constant)


def _differences(pointer: str, before: object, after: object) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _differences(inner, before.get(name, _ABSENT), after.get(name, _ABSENT))
    elif type(before) is not type(after) or before != after:
        yield Difference(pointer, _text(before), _text(after))


def _text(value: object) -> str | None:
    return None if value is _ABSENT else json.dumps(value, ensure_ascii=False, default=_number)


def _number(value: object) -> object:
    # A `Decimal` as the digits that it has: as text where no number of Python prints them.
    assert isinstance(value, Decimal)
    is_whole = value == value.to_integral_value() and value.adjusted() < _MAX_DIGITS
    number = int(value) if is_whole else float(value)
    return number if is_whole or Decimal(repr(number)) == value else str(value)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        raise ValueError(f"the exponent of {digits[:_MAX_DIGITS]} is too large") from None


def _no_constant(name: str) -> object:
    # Python reads them; JSON has none.
    raise ValueError(f"{name} is no JSON")
