"""Headers as they are read and as they are sent."""

from collections.abc import Iterable, Mapping, Sequence

Headers = Mapping[bytes, bytes]
"""A request's, by their names in lower case."""
Fields = Sequence[tuple[bytes, bytes]]
"""In order, their names in lower case."""


def by_name(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Look up headers by name; the first of several counts, as in Node.js."""
    return dict(reversed([*fields]))
