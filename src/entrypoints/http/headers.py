"""Header fields of requests and responses."""

import re
from collections.abc import Iterable, Mapping, Sequence

Headers = Mapping[bytes, bytes]
"""A request's headers by name, in lower case."""
HeaderFields = Sequence[tuple[bytes, bytes]]
"""Header fields in order, their names in lower case."""

COMMON_HEADERS: HeaderFields = (
    (b"cache-control", b"no-store"),
    # Without this, a browser could take a payload for HTML.
    (b"x-content-type-options", b"nosniff"),
)
"""The headers of every response."""

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def by_name(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Map names to values; of repeated fields the first counts, as in Node.js."""
    return dict(reversed([*fields]))


def traceparent_of(headers: Headers) -> bytes | None:
    """Return a valid `traceparent`; an invalid one is ignored, as W3C Trace Context requires."""
    given = headers.get(b"traceparent")
    return given if given and _TRACEPARENT.fullmatch(given) else None
