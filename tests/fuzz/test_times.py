"""Dates and times: what is read is what was meant, by a reading of its own; anything else is refused."""

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from domain.times import parse_time
from tests.fuzz.damage import damaged

_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)
_FRAGMENTS = [
    b":",
    b"-",
    b"+",
    b".",
    b",",
    b"T",
    b"t",
    b" ",
    b"Z",
    b"z",
    b"W05",
    b":60",
    b"00",
    b"\n",
    b"\xd9\xa2",
    b"\0",
]


def _numbers(most: int, *more: int) -> st.SearchStrategy[str]:
    usual = st.integers(0, most)
    return (usual | usual | usual | st.sampled_from([0, 1, most, *more])).map("{:02}".format)


dates = st.builds(
    "-".join,
    st.tuples(
        st.sampled_from(["0001", "1990", "2024", "2026", "9999", "0000"]), _numbers(12, 13), _numbers(31, 28, 29, 30)
    ),
)
fractions = st.just("") | st.from_regex(r"\.[0-9]{0,12}", fullmatch=True)
seconds = st.just("") | st.builds(":{}{}".format, _numbers(59, 60, 61), fractions)
offsets = st.sampled_from(["Z", "z", "-00:00", "+0000", "", "+01"]) | st.builds(
    "{}{}{}{}".format, st.sampled_from("+-"), _numbers(23, 24), st.sampled_from([":", ""]), _numbers(59, 60)
)
texts = st.builds(
    "{}{}{}:{}{}{}".format,
    dates,
    st.sampled_from(["T", "T", "T", "t", " ", "_"]),
    _numbers(23, 24),
    _numbers(59, 60),
    seconds,
    offsets,
)


@st.composite
def leap_seconds(draw: st.DrawFn) -> str:
    """Make the last second of a month, or the last of a day, in any time zone."""
    midnight = datetime(2026, draw(st.integers(1, 12)), draw(st.sampled_from([1, 1, 15])), tzinfo=UTC)
    offset = timezone(timedelta(minutes=draw(st.integers(-1439, 1439))))
    return f"{(midnight - timedelta(minutes=1)).astimezone(offset):%Y-%m-%dT%H:%M:60%z}"


@given(
    text=texts
    | leap_seconds()
    | damaged(texts.map(str.encode), _FRAGMENTS, most=1).map(lambda raw: raw.decode(errors="replace"))
)
def test_text_is_read_as_it_was_meant_or_refused(text: str) -> None:
    """To the microsecond, which what is finer is cut to."""
    expected = meant(text)
    try:
        assert parse_time(text) == expected
        assert parse_time(text).tzinfo is UTC
    except ValueError as refusal:
        assert str(refusal).startswith("must ")
        assert expected is None


def meant(text: str) -> datetime | None:
    """Read RFC 3339 and its likes number by number; None for what is no time."""
    if (form := _FORM.fullmatch(text)) is None:
        return None
    *numbers, fraction, sign, offset_hours, offset_minutes = form.groups(default="0")
    year, month, day, hour, minute, second = map(int, numbers)
    offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes)) * (-1 if sign == "-" else 1)
    is_leap = second == 60
    try:
        before = datetime(year, month, day, hour, minute, second - is_leap, int(fraction[:6].ljust(6, "0")), UTC)
        moment = before - offset + timedelta(seconds=is_leap)
    except (ValueError, OverflowError):
        return None
    if int(offset_hours) > 23 or int(offset_minutes) > 59:
        return None
    # A leap second is the last one of a month in UTC.
    is_new_month = (moment.day, moment.hour, moment.minute, moment.second) == (1, 0, 0, 0)
    return moment if not is_leap or is_new_month else None
