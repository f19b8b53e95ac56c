"""Times as PostgreSQL keeps them, in both directions and to the microsecond.

The driver's own conversion turns the calendar's first and last instant into infinite ones, reads infinite ones without
a time zone, fails on what lies outside the years 1 to 9999, and takes longer.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPES = ("timestamptz", "timestamp")


async def adapt(driver: asyncpg.Connection) -> None:
    """Have a session take and return aware times in UTC, also for columns without a time zone: they are in UTC."""
    for name in _TYPES:
        await driver.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="binary")


def encode(moment: datetime) -> bytes:
    """Render an aware time in binary format."""
    return ((moment - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)


def decode(data: bytes) -> datetime:
    """Read a time in binary format; beyond the calendar it is the calendar's first or last instant."""
    microseconds = int.from_bytes(data, "big", signed=True)
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return LAST if microseconds > 0 else FIRST
