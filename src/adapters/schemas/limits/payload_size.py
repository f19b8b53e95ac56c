"""Bounds what checking a payload may cost.

A check holds up everything else in its process. What it would cost at most is known from the schema (`cost`) and from
the payload's size before it begins; a payload that could take longer than `BUDGET_NS` is refused unchecked, as one that
is too large for its schema.
"""

import re
from itertools import accumulate
from math import inf
from typing import Final

from adapters.schemas.limits.keyword_cost import Cost
from domain.payload_rules import MAX_PAYLOAD_DEPTH
from domain.payload_schema import Violation

BUDGET_NS = 8_000_000.0
MIN_VALUES = 100
"""A schema that leaves a payload fewer values than these is refused itself."""
KEYWORD: Final = "x-size"
"""In place of a keyword of JSON Schema, which has none for this."""

_COMPARED_LONG_NS = 10_000.0
"""For two numbers of over 17 digits."""
_SLOWLY_DECODED_NS = 900.0
"""For each value of a payload that has a number of over 4,000 digits."""
_MAX_QUICK_DIGITS = 4_000
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
_WIDE_NUMBER = b"0" * 6
_LONG_NUMBER = b"0" * 18
_LONG_EXPONENT = b"0e000"
_LONG = re.compile(rb"([0-9.]{18,})(?:[eE][+-]?0*([0-9]*))?|[0-9.]+[eE][+-]?0*([0-9]{3,})")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[{]}")


class SizeLimit:
    """How large a payload may be for one schema."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self.max_values = int(BUDGET_NS / cost.value)
        """If it has few bytes and no long numbers."""
        self.max_bytes = int(BUDGET_NS / cost.byte) if cost.byte else None
        """If it has few values; None where the schema searches in no string."""
        # A value takes two bytes at least, a fraction four.
        of_value = (cost.value + cost.level * MAX_PAYLOAD_DEPTH) / 2
        of_digits = cost.fraction / 4 + cost.wide / len(_WIDE_NUMBER)
        self._surely_small = int(BUDGET_NS / (of_value + of_digits + cost.byte))

    def violation(self, payload: bytes) -> Violation | None:
        """Return a violation of the whole payload if it is too large to be checked."""
        alike = payload.translate(_ALIKE, b".+-")
        has_long_numbers = alike.find(_LONG_NUMBER) >= 0 or alike.find(_LONG_EXPONENT) >= 0
        if not has_long_numbers:
            if len(payload) <= self._surely_small:
                return None
            openings = payload.count(b"[") + payload.count(b"{")
            depth = min(openings, MAX_PAYLOAD_DEPTH)
            if self._nanoseconds(payload, alike, openings, depth) <= BUDGET_NS:
                return None
        # Of strings only the bytes count; to find them takes longer than most checks.
        tokens = b"".join(payload.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        openings = tokens.count(b"[") + tokens.count(b"{")
        depth = _depth(tokens) if self._cost.level else 0
        cost = self._nanoseconds(tokens, tokens.translate(_ALIKE, b".+-"), openings, depth)
        cost += self._cost.byte * (len(payload) - len(tokens))
        if cost <= BUDGET_NS and has_long_numbers:
            cost += self._nanoseconds_of_long_numbers(tokens, openings)
        return None if cost <= BUDGET_NS else Violation("", KEYWORD, self._expected())

    def _nanoseconds(self, text: bytes, alike: bytes, openings: int, depth: int) -> float:
        values = 1 + text.count(b",") + openings
        cost = (self._cost.value + self._cost.level * depth) * values + self._cost.byte * len(text)
        # A number with a point and an exponent counts twice, a long one as often as it is wide.
        fractions = text.count(b".") + alike.count(b"0e")
        return cost + self._cost.fraction * fractions + self._cost.wide * alike.count(_WIDE_NUMBER)

    def _nanoseconds_of_long_numbers(self, tokens: bytes, openings: int) -> float:
        digits = [len(match[1] or b"") + int((match[2] or match[3] or b"0")[:5]) for match in _LONG.finditer(tokens)]
        is_slow = max(digits, default=0) > _MAX_QUICK_DIGITS
        decoded = _SLOWLY_DECODED_NS * (1 + tokens.count(b",") + openings) if is_slow else 0.0
        alone = self._cost.digits * sum(count * count for count in digits)
        compared = len(digits) ** 2 if self._cost.level else 0
        return decoded + alone + _COMPARED_LONG_NS * compared + self._cost.fraction * len(digits)

    def __str__(self) -> str:
        """Return the limit in words."""
        return f"{self.max_values:,} values" + ("" if self.max_bytes is None else f" or {self.max_bytes:,} bytes")

    def is_below(self, other: "SizeLimit") -> bool:
        """Tell whether less may be sent than another limit allows."""
        return self.max_values < other.max_values or (self.max_bytes or inf) < (other.max_bytes or inf)

    def _expected(self) -> str:
        return (
            f"must be smaller: this type's schema allows at most {self}, fewer where numbers have over 17 digits or "
            "arrays are nested deep"
        )


def _depth(tokens: bytes) -> int:
    steps = memoryview(tokens.translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0)
