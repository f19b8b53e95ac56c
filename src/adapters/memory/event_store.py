"""The table of events in memory, and the register of those whose events were deleted."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.memory.outage import Outage
from application.listing import MAX_PRINTED_NUMBERS, PAGE_PAYLOAD, Cursor, EventFilter, Page, StoredEvent, omitted
from application.ports import Delivery, Outcome
from domain.errors import Rejected
from domain.event import UserEvent
from domain.event_types import ANY_TYPE
from domain.payload_rules import printed_bytes
from domain.validation import EventRules, Invalid

_RULES = EventRules(ANY_TYPE)
"""The database has none for types."""
_DAWN = datetime.min.replace(tzinfo=UTC)


class MemoryEventStore(Outage):
    """An `EventStore`; `rows` may be added to by hand, as a foreign writer would."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.rows: dict[UUID, StoredEvent] = {}
        self._clock = clock

    async def add(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        await self._reach()
        created_at = self._clock()
        rows = [_row(delivery.event, created_at) for delivery in deliveries]
        return [self._insert(row) for row in rows]

    async def check(self, deliveries: Sequence[Delivery]) -> list[Outcome | None]:
        await self._reach()
        return [self._compare(_row(delivery.event, self._clock())) for delivery in deliveries]

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        await self._reach()
        rows: list[StoredEvent] = []
        payload = 0
        for row in sorted(self.rows.values(), key=_rank, reverse=True):
            if not _fits(row, wanted) or (after is not None and _rank(row) >= _rank(after)):
                continue
            if len(rows) == limit or payload >= PAGE_PAYLOAD:
                return Page(rows, Cursor(rows[-1].created_at, rows[-1].id))
            rows.append(_printed(row))
            payload += len((rows[-1].payload or "").encode())
        return Page(rows, None)

    async def get(self, event_id: UUID) -> StoredEvent | None:
        await self._reach()
        row = self.rows.get(event_id)
        return None if row is None else _printed(row)

    async def settled_until(self) -> datetime:
        await self._reach()
        return self._clock()

    async def ping(self) -> None:
        await self._reach()

    async def probe(self) -> None:
        await self._reach()

    def _insert(self, row: StoredEvent) -> Outcome:
        standing = self._compare(row)
        if standing is None:
            self.rows[row.id] = row
        return standing or Outcome.STORED

    def _compare(self, row: StoredEvent) -> Outcome | None:
        standing = self.rows.get(row.id)
        if standing is None:
            return None
        return Outcome.DUPLICATE if _content(standing) == _content(row) else Outcome.CONFLICT


class MemoryErasures(Outage):
    """An `Erasures`; `register` is written by whoever deletes rows."""

    def __init__(self) -> None:
        self.register: dict[str, datetime] = {}

    async def erased_at(self, user_ids: Collection[str]) -> dict[str, datetime]:
        await self._reach()
        return {user_id: self.register[user_id] for user_id in user_ids if user_id in self.register}


def _row(event: UserEvent, created_at: datetime) -> StoredEvent:
    """Render a row; refuses what the database would refuse."""
    try:
        _RULES.validate(event.id, event.user_id, event.event_type, event.occurred_at, event.payload)
        text = event.payload.decode()
        _json_value(text)
    except (Invalid, ValueError) as error:
        raise Rejected("the database refuses the event") from error
    return StoredEvent(event.id, event.user_id, event.event_type, text, created_at, event.occurred_at)


def _printed(row: StoredEvent) -> StoredEvent:
    """Omit a payload that the database would not print."""
    payload = (row.payload or "").encode()
    digits = printed_bytes(payload) - len(payload)
    return replace(row, payload=omitted(row.id, digits)) if digits > MAX_PRINTED_NUMBERS else row


def _content(row: StoredEvent) -> tuple[str, str, object]:
    return row.user_id, row.event_type, _json_value(row.payload or "{}")


def _json_value(text: str) -> object:
    """Parse JSON such that `==` is that of `jsonb`: 1 is 1.0 but not true, the order of keys is nothing."""
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)


def _number(text: str) -> tuple[str, Decimal]:
    return "number", Decimal(text)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _rank(place: StoredEvent | Cursor) -> tuple[bool, datetime, UUID]:
    return place.created_at is not None, place.created_at or _DAWN, place.id


def _fits(row: StoredEvent, wanted: EventFilter) -> bool:
    if wanted.user_id not in (None, row.user_id) or wanted.event_type not in (None, row.event_type):
        return False
    if row.created_at is None:
        return wanted.since is None and wanted.until is None
    return (wanted.since is None or wanted.since <= row.created_at) and (
        wanted.until is None or row.created_at < wanted.until
    )
