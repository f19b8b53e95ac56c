"""Headers as they are read and as they are sent."""

import re
from collections.abc import Iterable, Mapping, Sequence

Headers = Mapping[bytes, bytes]
"""A request's, by their names in lower case."""
Fields = Sequence[tuple[bytes, bytes]]
"""In order, their names in lower case."""

ON_EVERY_ANSWER: Fields = (
    (b"cache-control", b"no-store"),
    # A payload is never taken for a page, whatever it looks like.
    (b"x-content-type-options", b"nosniff"),
)

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def by_name(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Look up headers by name; the first of several counts, as in Node.js."""
    return dict(reversed([*fields]))


def traceparent_of(headers: Headers) -> bytes | None:
    """Return the trace that a request belongs to (W3C Trace Context); what does not fit is ignored, as it demands."""
    given = headers.get(b"traceparent")
    return given if given and _TRACEPARENT.fullmatch(given) else None
