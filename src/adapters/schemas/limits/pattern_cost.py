"""What a pattern costs at most for each byte of a string.

The engine takes linear time, but not always little of it. Where it cannot tell at which character a repetition ends, as
in `^[ab]{0,200}a[ab]{200}$`, its automaton has more states than it can keep, and it follows up to 200 of them at the
same time: 7.7 µs for each byte of a hostile string, measured. Where the next character cannot be one of the repetition,
as in `^[a-z]{1,63}-[a-z]{1,63}$`, it follows one state: 2 ns.
"""

import re
from functools import lru_cache
from math import inf
from typing import NamedTuple

from adapters.schemas.limits.pattern_characters import characters

_BASE_NS = 2.0
_STATE_NS = 40.0
_FEW_STATES = 6
"""Their combinations fit into the automaton."""
_MANY_STATES = 1_000
_MANY_STATES_NS = 90.0
"""The automaton is made anew again and again, even if it is followed through one state."""
_BOUNDARY_NS = 100.0
"""Where a pattern asks for the boundary of a word, the automaton cannot go on behind what is not ASCII."""
_UNICODE_STATES = 30
"""Of a class such as \\p{L}, in UTF-8."""
_ATOM = re.compile(
    r"\\[pPuUxc](?:\{[^}]*\}|[0-9a-fA-F]*)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:<\w+>|[^:)]*:?))?|.", re.DOTALL
)
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d{1,9})(,?)(\d{0,9})\})\??")
_FLAGS = re.compile(r"\(\?[a-zA-Z-]")
_BOUNDARY = re.compile(r"(?<!\\)(?:\\\\)*\\[bB]")
_UNICODE = re.compile(r"\\[pP]|[^\x00-\x7f]")


class _Part(NamedTuple):
    """A part of a pattern. Sets of characters are the bits of `characters`."""

    all: float = 0
    """Its states."""
    active: float = 0
    """Those in which a matcher may be at the same time, besides the one that it would be in anyway."""
    first: int = 0
    """The characters that it may begin with."""
    every: int = 0
    """The characters that it may hold."""
    loose: int = 0
    """Those that do not tell whether the part goes on: a part behind it that begins with another one does."""
    ends: float = 1
    """At how many places it may end, as long as only loose characters are read."""
    length: float | None = 0
    """In characters, None where it varies."""
    may_be_empty: bool = True
    is_anchored: bool = False

    def then(self, other: "_Part") -> "_Part":
        """Put another part behind this one."""
        is_open = self.ends > 1 and bool(self.loose & other.first)
        ends, loose, active = other.ends, other.loose, other.active
        if is_open:
            ends, loose = self.ends * other.ends, self.loose | other.every
            active = min(other.all, self.ends * max(other.active, 1))
        elif other.may_be_empty:
            ends, loose = self.ends * other.ends, self.loose | other.loose
        return _Part(
            all=self.all + other.all,
            active=self.active + active,
            first=self.first | (other.first if self.may_be_empty else 0),
            every=self.every | other.every,
            loose=loose,
            ends=ends,
            length=None if self.length is None or other.length is None else self.length + other.length,
            may_be_empty=self.may_be_empty and other.may_be_empty,
            is_anchored=self.is_anchored or (self.all == 0 and other.is_anchored),
        )

    def beside(self, other: "_Part") -> "_Part":
        """Make the other part an alternative to this one."""
        is_even = self.length is not None and self.length == other.length
        every = self.every | other.every
        # Where both may begin and go on alike, a matcher may be anywhere in both.
        is_alike = self.length is None and other.length is None and bool(self.first & other.first)
        return _Part(
            all=self.all + other.all,
            active=self.all + other.all if is_alike else self.active + other.active,
            first=self.first | other.first,
            every=every,
            loose=every,
            ends=max(self.ends, other.ends) if is_even else self.ends + other.ends,
            length=self.length if is_even else None,
            may_be_empty=self.may_be_empty or other.may_be_empty,
            is_anchored=self.is_anchored and other.is_anchored,
        )

    def repeated(self, least: int, most: int | None) -> "_Part":
        """Repeat this part, `most` being None where there is no bound."""
        times = max(least if most is None else most, 1)
        is_open = self.ends > 1 and bool(self.loose & self.first) and most != 1
        return _Part(
            all=self.all * times,
            active=self.all * times if is_open else self.active,
            first=self.first,
            every=self.every,
            loose=self.every,
            ends=inf if is_open or most is None else self.ends * (most - least + 1),
            length=self.length * times if self.length is not None and most == least else None,
            may_be_empty=self.may_be_empty or least == 0,
        )


@lru_cache(maxsize=4_096)
def ns_per_byte(pattern: str) -> float:
    """Bound the nanoseconds for each byte of a string that a valid pattern is searched in."""
    whole, _ = _group(pattern, 0)
    if _BOUNDARY.search(pattern):
        return _BOUNDARY_NS + _STATE_NS * whole.all
    # A search that is not anchored begins anew at every byte.
    at_once = whole.active if whole.is_anchored and _FLAGS.search(pattern) is None else whole.all
    base = _BASE_NS if whole.all <= _MANY_STATES else _MANY_STATES_NS
    return base + (_STATE_NS * at_once if at_once > _FEW_STATES else 0.0)


@lru_cache(maxsize=4_096)
def states(pattern: str) -> float:
    """Count the states of a pattern, also of one that is not valid; infinite if it is nested too deep."""
    try:
        return _group(pattern, 0)[0].all
    except RecursionError:
        return inf


def _sequence(pattern: str, at: int) -> tuple[_Part, int]:
    """Read up to the end of an alternative; return where that is."""
    part = _Part()
    while at < len(pattern) and pattern[at] not in "|)":
        item, at = _item(pattern, at)
        part = part.then(item)
    return part, at


def _group(pattern: str, at: int) -> tuple[_Part, int]:
    """Read a group from behind its opening bracket, or a pattern; return what is behind it."""
    whole, at = _sequence(pattern, at)
    while pattern.startswith("|", at):
        part, at = _sequence(pattern, at + 1)
        whole = whole.beside(part)
    return whole, at + 1


def _item(pattern: str, at: int) -> tuple[_Part, int]:
    atom = _ATOM.match(pattern, at)
    assert atom is not None
    at = atom.end()
    if atom[0].startswith("("):
        part, at = _group(pattern, at)
    elif atom[0] in "^$" or atom[0] in (r"\b", r"\B"):
        part = _Part(is_anchored=atom[0] == "^")
    else:
        count = _UNICODE_STATES if _UNICODE.search(atom[0]) else 3 if atom[0] == "." or atom[0].startswith("[^") else 1
        held = characters(atom[0])
        part = _Part(count, first=held, every=held, length=1, may_be_empty=False)
    quantifier = _QUANTIFIER.match(pattern, at)
    if quantifier is None:
        return part, at
    sign, least, comma, most = quantifier.groups()
    if sign is not None:
        return part.repeated(int(sign == "+"), 1 if sign == "?" else None), quantifier.end()
    return part.repeated(int(least), int(most) if most else None if comma else int(least)), quantifier.end()
