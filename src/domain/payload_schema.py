"""What the schema of an event type says about a payload."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from urllib.parse import quote

MAX_VIOLATIONS = 20
"""No payload has more violations than these: the first ones suffice to mend it."""
MAX_POINTER_CHARS = 256
MAX_EXPECTED_CHARS = 200
_PAYLOAD = "#/payload"
_UNRESERVED = "/~!$&'()*+,;=:@"
"""What RFC 3986 allows in a fragment beside letters, digits and -._~, as far as RFC 6901 uses it."""
ANY = "*"
"""In a place: an index, or a name that the schema does not name."""


class Violation(NamedTuple):
    """One rule of a schema that a payload breaks; it holds names of members, but no value of the payload.

    `pointer` is the JSON pointer (RFC 6901) of the value inside the payload, empty for the payload itself; a pointer
    that would be longer than `MAX_POINTER_CHARS` ends at an enclosing value. `keyword` is the keyword of JSON Schema.
    `expected` reads on from the value's name, as in "must be at least 0". `place` is the pointer with a * for each
    index and for each name that the schema does not name: it is for logs, dead letters and counts, since such a name
    may be personal data (`/alice@example.com`). The pointer is for whoever sent the payload.
    """

    pointer: str
    keyword: str
    expected: str
    place: str = ""

    @property
    def message(self) -> str:
        """Return one line for a problem of the field `payload`, which needs no pointer beside it."""
        return one_line(f"{self.place} {self.expected}" if self.place else self.expected)

    @property
    def fragment(self) -> str:
        """Return the pointer as RFC 9457 shows it in `errors[]`: a URI fragment within the event, `#/payload/price`."""
        return _PAYLOAD + quote(self.pointer, safe=_UNRESERVED)


class PayloadSchema(Protocol):
    """The compiled schema of one event type. Its methods may be called by several threads at the same time."""

    @property
    def rejects(self) -> bool:
        """Whether an event whose payload has violations is refused (`x-on-violation: reject`) or only counted."""
        ...

    def violations(self, payload: bytes) -> Sequence[Violation]:
        """Return what is wrong with a payload, at most `MAX_VIOLATIONS`; nothing if it is valid.

        `payload` has passed `check_payload`. Raises nothing, whatever the payload holds.
        """
        ...


def one_line(text: str) -> str:
    """Escape line breaks and whatever else does not print: names of members may hold anything."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters; the last one of a longer text is a … in place of the rest."""
    return text if len(text) <= most else text[: most - 1] + "…"
