"""Characters in log lines that are not seen: they rule a terminal, reorder a line (bidi controls) or break it."""

import re
from typing import Final

_NOT_PLAIN: Final = re.compile(r"[^\n -~]")


def escape(text: str) -> str:
    """Escape them in a text for people, as Python writes them; line breaks and tabs stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text
    )


def escape_json(lines: str) -> str:
    r"""Escape them in rendered lines of JSON, as `\uXXXX`, by which no value changes: JSON itself is ASCII."""
    # JSON escapes what is below U+0020; of the rest of ASCII only DEL is not seen.
    if lines.isascii() and "\x7f" not in lines:
        return lines
    if lines.replace("\n", "").isprintable():
        return lines
    return _NOT_PLAIN.sub(_in_utf_16, lines)


def _in_utf_16(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\u{units[place : place + 4]}" for place in range(0, len(units), 4))
