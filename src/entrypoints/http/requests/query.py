"""The query of `GET /events/processed`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from application.listing import Cursor, EventFilter
from domain.event import EventType
from domain.times import parse_time
from domain.validation import Invalid, Problem
from entrypoints.http.requests import cursor

T = TypeVar("T")

# More digits than anybody has rows.
_COUNT = re.compile(r"[0-9]{1,18}")
_LOST_PLUS = re.compile(r":[0-9.]+ [0-9]{2}:?[0-9]{2}\Z")
"""A time whose offset begins with a blank, which is what a plus sign means in a query."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. `pairs` are all parameters as sent, for links to further pages."""

    wanted: EventFilter
    after: Cursor | None
    limit: int | None
    has_bom: bool
    """Whether CSV is to begin with a byte order mark."""
    pairs: list[tuple[str, str]]

    def for_page_after(self, place: Cursor) -> str:
        """Render the query string of the page that begins after `place`."""
        others = [(name, value) for name, value in self.pairs if name != "cursor"]
        return urlencode([*others, ("cursor", cursor.encode(place))], errors="surrogateescape")


def parse(query_string: bytes, max_limit: int | None) -> Query:
    """Read a query string; unknown parameters are ignored. Raises `Invalid` with everything that is wrong."""
    parameters = _Parameters(query_string)
    wanted = EventFilter(
        user_id=parameters.read("userId", str),
        event_type=parameters.read("eventType", _event_type),
        since=parameters.read("since", _time),
        until=parameters.read("until", _time),
    )
    after = parameters.read("cursor", cursor.decode)
    limit = parameters.read("limit", lambda text: _limit(text, max_limit))
    has_bom = parameters.read("bom", _flag)
    if parameters.problems:
        raise Invalid(*parameters.problems)
    return Query(wanted, after, limit, bool(has_bom), parameters.pairs)


class _Parameters:
    def __init__(self, query_string: bytes) -> None:
        text = query_string.decode(errors="surrogateescape")
        self.pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
        self.problems: list[Problem] = []

    def read(self, name: str, convert: Callable[[str], T]) -> T | None:
        """Convert a parameter; None if it is absent, or wrong and noted in `problems`."""
        values = [value for key, value in self.pairs if key == name]
        try:
            return convert(_only(values)) if values else None
        except ValueError as error:
            self.problems.append(Problem(name, str(error)))
            return None


def _only(values: list[str]) -> str:
    value, *more = values
    if more:
        raise ValueError("must be given only once")
    if not value:
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be UTF-8") from None
    return value


def _limit(text: str, most: int | None) -> int:
    limit = int(text) if _COUNT.fullmatch(text) else 0
    if most is not None and not 1 <= limit <= most:
        raise ValueError(f"must be a whole number from 1 to {most}")
    if limit < 1:
        raise ValueError("must be a whole number of at least 1")
    return limit


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return text == "1"


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError as error:
        hint = "; a plus sign is sent as %2B" if _LOST_PLUS.search(text) else ""
        raise ValueError(f"{error}{hint}") from None


def _event_type(text: str) -> EventType:
    try:
        return EventType(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(EventType)}") from None
