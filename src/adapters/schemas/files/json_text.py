"""Decodes JSON without loss: numbers keep all of their digits, and what JSON leaves open is found."""

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeAlias

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 100
MAX_DIGITS = 400
"""Of a number in a schema, written out."""


class _Object(dict[str, Json]):
    """An object with the names that it holds more than once."""

    repeated: tuple[str, ...] = ()


def decode_schema(text: bytes) -> Json:
    """Decode a schema file; integral numbers become `int`, others `Decimal`. Raises `ValueError` with the reason."""
    if text.startswith(BOM_UTF8):
        raise ValueError("must not begin with a byte order mark")
    try:
        decoded: Json = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return decoded


def flaws(value: Json, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield pointer and reason for what a decoded file should not hold: repeated names, for instance."""
    if depth > MAX_DEPTH:
        yield pointer, _TOO_DEEP
    elif isinstance(value, dict):
        yield from _flaws_of_members(value, pointer, depth)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if not _is_plain(inner):
                yield from flaws(inner, f"{pointer}/{index}", depth + 1)
    elif reason := _scalar_flaw(value):
        yield pointer, reason


def _flaws_of_members(value: dict[str, Json], pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Object):
        yield from ((join(pointer, name), REPEATED) for name in value.repeated)
    for name, inner in value.items():
        if not _is_text(name):
            yield pointer, _SURROGATE
        elif not _is_plain(inner):
            yield from flaws(inner, join(pointer, name), depth + 1)


def _scalar_flaw(value: Json) -> str:
    if isinstance(value, str):
        return "" if _is_text(value) else _SURROGATE
    if isinstance(value, Decimal) and max(abs(value.adjusted()), len(value.as_tuple().digits)) > MAX_DIGITS:
        return f"must not be a number of over {MAX_DIGITS} digits"
    return ""


def join(pointer: str, name: str) -> str:
    """Append a member's name to a JSON pointer."""
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


REPEATED = "is there more than once"
_TOO_DEEP = f"must be nested at most {MAX_DEPTH} deep"
_ENDLESS = Decimal(f"1e{MAX_DIGITS + 1}")
_SURROGATE = "must not hold a lone surrogate"


def _object(members: list[tuple[str, Json]]) -> _Object:
    made = _Object(members)
    if len(made) < len(members):
        count = Counter(name for name, _ in members)
        made.repeated = tuple(name for name in made if count[name] > 1)
    return made


def _number(text: str) -> int | Decimal:
    """Read a number; a long one stays a `Decimal` for `flaws` to find."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        # Its exponent has over 18 digits.
        return _ENDLESS
    is_integral = abs(number.adjusted()) <= MAX_DIGITS and number == number.to_integral_value()
    return int(number) if is_integral else number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is no number")


def _is_plain(value: Json) -> bool:
    """Tell of most values, without their pointers, that they have no flaw."""
    return value is None or isinstance(value, int) or (isinstance(value, str) and value.isascii())


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
