"""What a pattern costs at most for each byte of a string.

The engine takes linear time, but not always little of it: where a repetition without bound precedes counted ones, as in
`^[ab]*a[ab]{200}$`, its automaton has more states than it can keep, and it follows up to 200 of them at the same time:
7.7 µs for each byte of a hostile string, measured. Other patterns take 2 ns.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_BASE_NS = 2.0
_STATE_NS = 40.0
_UNICODE_STATES = 30
"""Of a class such as \\p{L}, in UTF-8."""
_ATOM = re.compile(
    r"\\[pPuUxc](?:\{[^}]*\}|[0-9a-fA-F]*)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:<\w+>|[^:)]*:?))?|.", re.DOTALL
)
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d+)(,?)(\d*)\})\??")
_UNICODE = re.compile(r"\\[pP]|[^\x00-\x7f]")


class _States(NamedTuple):
    """How many states a part of a pattern has, and in how many of them a matcher may be at the same time."""

    all: float
    active: float
    is_unbounded: bool = False

    def then(self, other: "_States") -> "_States":
        """Put another part behind this one: behind an unbounded one all of its states may be active."""
        active = other.all if self.is_unbounded else other.active
        return _States(self.all + other.all, self.active + active, self.is_unbounded or other.is_unbounded)

    def beside(self, other: "_States") -> "_States":
        """Make the other part an alternative to this one."""
        return _States(self.all + other.all, self.active + other.active, self.is_unbounded or other.is_unbounded)

    def repeated(self, least: int, most: int | None) -> "_States":
        """Repeat this part, `most` being None where there is no bound."""
        if most is None:
            states = self.all * max(least, 1)
            return _States(states, states, is_unbounded=True)
        times = max(most, 1)
        return _States(self.all * times, self.active * times, self.is_unbounded)


_NONE = _States(0, 0)


@lru_cache(maxsize=4_096)
def ns_per_byte(pattern: str) -> float:
    """Bound the nanoseconds for each byte of a string that a valid pattern is searched in."""
    whole, at, is_anchored = _NONE, -1, True
    while at < len(pattern):
        is_anchored = is_anchored and pattern.startswith("^", at + 1)
        part, at = _sequence(pattern, at + 1)
        whole = whole.beside(part)
    if is_anchored:
        return _BASE_NS + (_STATE_NS * whole.active if whole.is_unbounded else 0.0)
    # A search that is not anchored begins anew at every byte.
    return _BASE_NS + _STATE_NS * whole.all


def _sequence(pattern: str, at: int) -> tuple[_States, int]:
    """Read up to the end of an alternative; return where that is."""
    part = _NONE
    while at < len(pattern) and pattern[at] not in "|)":
        item, at = _item(pattern, at)
        part = part.then(item)
    return part, at


def _group(pattern: str, at: int) -> tuple[_States, int]:
    """Read a group from behind its opening bracket; return what is behind it."""
    whole, at = _sequence(pattern, at)
    while pattern.startswith("|", at):
        part, at = _sequence(pattern, at + 1)
        whole = whole.beside(part)
    return whole, at + 1


def _item(pattern: str, at: int) -> tuple[_States, int]:
    atom = _ATOM.match(pattern, at)
    assert atom is not None
    at = atom.end()
    if atom[0].startswith("("):
        states, at = _group(pattern, at)
    elif atom[0] in "^$" or atom[0] in (r"\b", r"\B"):
        states = _NONE
    else:
        count = _UNICODE_STATES if _UNICODE.search(atom[0]) else 3 if atom[0] == "." or atom[0].startswith("[^") else 1
        states = _States(count, 0)
    quantifier = _QUANTIFIER.match(pattern, at)
    if quantifier is None:
        return states, at
    sign, least, comma, most = quantifier.groups()
    if sign is not None:
        return states.repeated(int(sign == "+"), 1 if sign == "?" else None), quantifier.end()
    return states.repeated(int(least), int(most) if most else None if comma else int(least)), quantifier.end()
