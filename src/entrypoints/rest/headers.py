"""A request's headers by name."""

from collections.abc import Iterable, Mapping

Headers = Mapping[bytes, bytes]
"""By their names in lower case."""


def by_name(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Look up headers by name; the first of several counts, as in Node.js."""
    return dict(reversed([*fields]))
