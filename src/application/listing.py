"""What a listing of the table is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.event_types import EventType


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row. `payload` is JSON text; times are aware and in UTC, None where a foreign writer left them out."""

    id: UUID
    user_id: str
    event_type: str
    payload: str | None
    created_at: datetime | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which rows to list; `since` (inclusive) and `until` (exclusive) bound `created_at`."""

    user_id: str | None = None
    event_type: EventType | None = None
    since: datetime | None = None
    until: datetime | None = None


class Cursor(NamedTuple):
    """A place in the listing: after the row with these values. A None time stands behind all others."""

    created_at: datetime | None
    id: UUID


PAGE_PAYLOAD = 8 * 1024 * 1024
"""Bytes of payload after which a page ends, lest a thousand large events fill the memory."""
MAX_PRINTED_NUMBERS = 1024 * 1024
"""From how many digits on the numbers of a payload keep it from being read, where they were not refused at first."""


def omitted(event_id: UUID, digits: int) -> str:
    """Render what is read in the place of a payload whose numbers would print so many digits."""
    sql = f"SELECT payload FROM events WHERE id = '{event_id}'"  # noqa: S608 - to be read, and a UUID is safe
    return f'{{"$omitted": {{"reason": "its numbers print too many digits", "digits": {digits}, "sql": "{sql}"}}}}'


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and where the next page begins; None when this is the last one."""

    rows: Sequence[StoredEvent]
    following: Cursor | None
