"""Dates and times as text: what standards and common libraries write, and nothing else."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.times import parse_time

NO_TIME = "must be an RFC 3339 date and time, for instance 2026-01-31T12:00:00Z"
NO_OFFSET = "must state its offset from UTC, for instance Z"
OUT_OF_RANGE = "must lie within the years 1 to 9999 in UTC"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
years = datetime(2, 1, 1), datetime(9998, 12, 31)  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31 12:00:00Z", NOON),
        ("2026-01-31T12:00:00.000Z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2026-02-01T11:59:00+23:59", NOON),
        ("2026-01-31T13:00+01:00", NOON),
        ("2026-01-31T12:00Z", NOON),
        ("2026-01-31T13:00:00+0100", NOON),
        ("2026-01-31T12:00:00+0000", NOON),
        ("2026-01-31T13:00:00.0000000+01:00", NOON),
        ("2026-01-31T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-31T12:00:00.1234567Z", NOON.replace(microsecond=123_456)),
        ("2026-01-31T12:00:00.999999999Z", NOON.replace(microsecond=999_999)),
        ("2026-01-31T12:00:00." + "1" * 1_000 + "Z", NOON.replace(microsecond=111_111)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("1990-12-31T15:59:60-08:00", datetime(1991, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25z", datetime(2017, 1, 1, microsecond=250_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        (datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))), NOON),
    ],
    ids=lambda value: str(value)[:40],
)
def test_time_of_a_standard_or_a_common_library_becomes_utc(value: object, moment: datetime) -> None:
    """RFC 3339, Java's without seconds, .NET's with seven digits, PHP's without a colon; digits are cut off."""
    read = parse_time(value)
    assert read == moment
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1_700_000_000, "", "yesterday", "2026-01-31", "12:00:00Z"),
        *("2026-01-31T12:30.5Z", "2026-01-31T12.5Z", "20260131T12345678Z", "2026-01-31T12:00:00.Z"),
        *("2026-01-31T12:00:123Z", "2026-01-31T12:00:00+01000000", "2026-01-31T12:00:00+01:00:00"),
        *("2026-W05-6T12:00:00Z", "2026W056T120000Z", "2026-031T12:00:00Z", "20260131T120000Z"),
        *("2026-01-31_12:00:00Z", "2026-01-31x12:00:00Z", "2026-01-3112:00:00Z", "2026-01-31T12:00:00,5Z"),
        *("2026-01-31T12Z", "2026-01-31T1200Z", "2026-01-31T12:00:00+01", "2026-01-31T12:00:00 01:00"),
        *("2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "2026-02-30T00:00:00Z"),
        *("2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("2026-01-31T12:00:60Z", "2026-01-30T23:59:60Z", "2026-01-31T23:59:60+01:00", "2026-02-30T23:59:60Z"),
        *(" 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z ", "2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00Zz"),
        *("+010000-01-01T00:00:00Z", "-2026-01-31T12:00:00Z", "٢٠٢٦-01-31T12:00:00Z", "2026-01-31T12:00:00\u221201:00"),
    ],
    ids=repr,
)
def test_anything_else_is_refused(value: object) -> None:
    """Rather than stored as what it was not meant to be."""
    with pytest.raises(ValueError, match=NO_TIME):
        parse_time(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-01-31T12:00:00", NO_OFFSET),
        ("2026-01-31T23:59:60", NO_OFFSET),
        (datetime(2026, 1, 31), NO_OFFSET),  # noqa: DTZ001 - as it must not be
        ("0001-01-01T00:00:00+01:00", OUT_OF_RANGE),
        ("9999-12-31T23:59:59-01:00", OUT_OF_RANGE),
        ("9999-12-31T23:59:60Z", OUT_OF_RANGE),
    ],
    ids=str,
)
def test_time_that_is_no_moment_is_refused(value: object, message: str) -> None:
    """A local time could be any moment of a day."""
    with pytest.raises(ValueError, match=message):
        parse_time(value)


@given(st.datetimes(*years), offsets)
def test_what_python_writes_is_read(local: datetime, offset: timezone) -> None:
    """In any offset."""
    moment = local.replace(tzinfo=offset)
    assert parse_time(moment.isoformat()) == moment


@given(st.text("0123456789-:.+ TtZzWw,", max_size=32))
def test_no_text_has_another_outcome(text: str) -> None:
    """Nothing but a refusal is raised."""
    with suppress(ValueError):
        assert parse_time(text).tzinfo is UTC
