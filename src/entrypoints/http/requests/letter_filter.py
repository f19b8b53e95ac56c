"""Which dead letters a request is about: the same fields in a query string and in a JSON body."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from adapters.records.codec import render_time
from application.dead_letters.letters import UNKNOWN, LetterFilter, LetterState
from domain.dead_letter import FailureKind
from domain.validation import parse_id, parse_user_id
from entrypoints.http.requests.values import read_time, text_of

T = TypeVar("T")

FILTER_NAMES = (
    "state",
    "kind",
    "fingerprint",
    "userId",
    "eventType",
    "eventId",
    "errorClass",
    "since",
    "until",
)
KINDS = (*FailureKind, UNKNOWN)
_PARTITION = "(?:0|[1-9][0-9]{0,9})"
ID_PATTERN = f"(?:{_PARTITION}|dlq-(?:-1|{_PARTITION}))-(?:0|[1-9][0-9]{{0,18}})"
"""A letter that the DLQ refused has the partition -1."""
MAX_IDS = 10_000
MAX_EVENT_TYPE_CHARS = 64
MAX_ERROR_CLASS_CHARS = 200
MAX_FINGERPRINT_CHARS = 64
_ID = re.compile(ID_PATTERN, re.ASCII)


class Source(Protocol):
    """Values by name: the parameters of a query string, or the members of an object."""

    def read(self, name: str, convert: Callable[[str], T]) -> T | None:
        """Convert a text; None if it is absent or invalid. Another method reports invalid ones."""
        ...


def is_letter_id(text: str) -> bool:
    """Return whether a text has the form of a letter's id."""
    return _ID.fullmatch(text) is not None


def read_filter(source: Source, ids: Sequence[str] | None = None) -> LetterFilter:
    """Read all fields of a filter but `ids`, which only a body has."""
    return LetterFilter(
        ids=ids,
        state=source.read("state", _one_of(LetterState)),
        kind=source.read("kind", _kind),
        fingerprint=source.read("fingerprint", text_of(MAX_FINGERPRINT_CHARS)),
        user_id=source.read("userId", parse_user_id),
        event_type=source.read("eventType", text_of(MAX_EVENT_TYPE_CHARS)),
        event_id=source.read("eventId", parse_id),
        error_class=source.read("errorClass", text_of(MAX_ERROR_CLASS_CHARS)),
        since=source.read("since", read_time),
        until=source.read("until", read_time),
    )


def read_ids(value: object) -> Sequence[str]:
    """Read a list of letters' ids, each once. Raises `ValueError`."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        raise ValueError(f"must be a list of 1 to {MAX_IDS} ids")
    ids = [each for each in value if isinstance(each, str) and is_letter_id(each)]
    if len(ids) < len(value):
        raise ValueError("must hold ids of dead letters only, such as 0-15 or dlq-0-15")
    return [*dict.fromkeys(ids)]


def stated(wanted: LetterFilter) -> Mapping[str, str]:
    """Return the parameters of a query string that mean `wanted`."""
    values = (
        wanted.state,
        wanted.kind,
        wanted.fingerprint,
        wanted.user_id,
        wanted.event_type,
        wanted.event_id,
        wanted.error_class,
        wanted.since,
        wanted.until,
    )
    return {name: _rendered(value) for name, value in zip(FILTER_NAMES, values, strict=True) if value is not None}


def query_string(values: Mapping[str, object]) -> bytes:
    """Render parameters; those of None are left out."""
    return urlencode({name: value for name, value in values.items() if value is not None}).encode()


def _rendered(value: str | UUID | datetime) -> str:
    return render_time(value) if isinstance(value, datetime) else str(value)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return text


_Choice = TypeVar("_Choice", bound=StrEnum)


def _one_of(choices: type[_Choice]) -> Callable[[str], _Choice]:
    def read(text: str) -> _Choice:
        try:
            return choices(text)
        except ValueError:
            raise ValueError(f"must be one of {', '.join(choices)}") from None

    return read
