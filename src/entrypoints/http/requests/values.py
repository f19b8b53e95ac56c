"""Values of parameters and of members that several requests have. Each function raises `ValueError` with the remedy."""

import re
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from domain.times import parse_time

# Enough digits for any number of rows.
_COUNT = re.compile(r"[0-9]{1,18}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_LOST_PLUS = re.compile(r":[0-9.]+ [0-9]{2}:?[0-9]{2}\Z")
"""A time whose offset begins with a space, because a plus sign in a query string means a space."""


def read_time(text: str) -> datetime:
    """Read a time, into UTC."""
    try:
        return parse_time(text)
    except ValueError as error:
        hint = "; a plus sign is sent as %2B" if _LOST_PLUS.search(text) else ""
        raise ValueError(f"{error}{hint}") from None


def read_limit(text: str, maximum: int | None) -> int:
    """Read a number of rows: from 1 to `maximum`, if there is one."""
    limit = int(text) if _COUNT.fullmatch(text) else 0
    if maximum is not None and not 1 <= limit <= maximum:
        raise ValueError(f"must be a whole number from 1 to {maximum}")
    if limit < 1:
        raise ValueError("must be a whole number of at least 1")
    return limit


def read_number(text: str) -> int:
    """Read a whole number that is not negative, of at most 18 digits."""
    if _COUNT.fullmatch(text) is None:
        raise ValueError("must be a whole number")
    return int(text)


def read_uuid(text: str) -> UUID:
    """Read a UUID in its usual form."""
    if _UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID")
    return UUID(text)


def text_of(max_chars: int) -> Callable[[str], str]:
    """Make a function that reads a text of at most `max_chars` characters, which are not all white space."""

    def read(text: str) -> str:
        if len(text) > max_chars:
            raise ValueError(f"must have at most {max_chars} characters")
        if not text.strip():
            raise ValueError("must not be blank")
        return text

    return read
