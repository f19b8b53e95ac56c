"""Dates and times as text: RFC 3339, and the forms of ISO 8601 that Java, .NET and PHP write.

Nothing else is taken: a parser of all of ISO 8601 guesses at what it half understands, and the guess would be stored.
"""

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"\d\d\d\d-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?", re.ASCII
)
"""Java leaves out seconds of zero, PHP the offset's colon; the blank is RFC 3339's own alternative to the T."""
_SECOND = slice(16, 19)
_LEAP_SECOND = ":60"
_NO_TIME = "must be an RFC 3339 date and time, for instance 2026-01-31T12:00:00Z"
_OUT_OF_RANGE = "must lie within the years 1 to 9999 in UTC"


def parse_time(value: object) -> datetime:
    """Read a date and time with its offset, into UTC. Raises `ValueError` with what a person should mend.

    Digits beyond microseconds are cut off, so that no time moves into the next second. A leap second is read as the
    second that follows it, as in PostgreSQL.
    """
    moment = _read(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise ValueError(_NO_TIME)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError("must state its offset from UTC, for instance Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(_OUT_OF_RANGE) from None


def _read(text: str) -> datetime | None:
    if _TIME.fullmatch(text) is None:
        return None
    try:
        # This knows each of these forms, but no lower-case z.
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return _read_leap_second(text) if text[_SECOND] == _LEAP_SECOND else None


def _read_leap_second(text: str) -> datetime | None:
    """Read a second that only the last minute of a month in UTC can have."""
    before = _read(text[: _SECOND.start] + ":59" + text[_SECOND.stop :])
    if before is None or before.tzinfo is None:
        return before
    try:
        moment = before.astimezone(UTC) + timedelta(seconds=1)
    except OverflowError:
        raise ValueError(_OUT_OF_RANGE) from None
    return moment if (moment.day, moment.hour, moment.minute) == (1, 0, 0) else None
