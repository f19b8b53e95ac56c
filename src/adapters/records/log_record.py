"""A record as read from a log."""

import msgspec

from adapters.records import codec


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A `Record`; `timestamp` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: codec.Headers
