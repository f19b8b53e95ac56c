"""The system's clock and id generator, for events whose client gives no time or no id."""

from datetime import UTC, datetime
from time import time_ns

import uuid_utils
from asyncpg.pgproto.pgproto import UUID


def new_id() -> UUID:
    """Return a new UUID of version 7; ids sort by the time of their creation."""
    # The driver's subclass of `uuid.UUID` saves 1 µs an event in creation and rendering, a tenth of a batch.
    return UUID(uuid_utils.uuid7().bytes)


def utc_now() -> datetime:
    """Return the time in UTC, in whole milliseconds like the legacy service's producers."""
    # The quotient is less than half a microsecond off, and `fromtimestamp` rounds to microseconds.
    return datetime.fromtimestamp(time_ns() // 1_000_000 / 1_000, UTC)
