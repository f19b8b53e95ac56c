"""Which characters an atom of a pattern matches, so far as it matters to tell two atoms apart."""

import re
from functools import lru_cache
from unicodedata import category

_ASCII = "".join(map(chr, range(128)))
_OTHERS = 1 << 128
"""All characters that are not of ASCII."""
_ALL = _OTHERS * 2 - 1
_CATEGORY = re.compile(r"\\p\{([A-Z][a-z]?)\}")
_PLAIN = re.compile(r"[^\\\x80-\U0010ffff]|\\[^a-zA-Z0-9]|\\[nrtfv]")
"""Atoms, and parts of classes, that mean the same in all dialects and match characters of ASCII only."""
_MORE = re.compile(r"\\[dswDSW]|[^\\\x00-\x7f]")
"""Those that match others, too."""


@lru_cache(maxsize=4_096)
def characters(atom: str) -> int:
    """Return a set that holds each character that an atom may match: bit 65 for `A`, bit 128 for all beyond ASCII."""
    text = _CATEGORY.sub(lambda match: _members(match[1]) if atom.startswith("[") else f"[{_members(match[1])}]", atom)
    is_class = text.startswith("[")
    inside = text[1:-1] if is_class else text
    plain = _MORE.sub("", inside)
    if _PLAIN.sub("", plain) or (is_class and re.search(r"(?<!\\)\[|--|&&|~~|\|\|", inside)):
        return _ALL
    try:
        found = sum(1 << ord(character) for character in re.findall(text, _ASCII, re.DOTALL))
    except re.error:
        return _ALL
    has_others = plain != inside or text != atom or atom == "." or atom.startswith("[^")
    return found | (_OTHERS if has_others else 0)


def _members(name: str) -> str:
    return "".join(re.escape(each) for each in _ASCII if category(each).startswith(name))
