"""The table."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple, Protocol
from uuid import UUID

from application.listing import Cursor, EventFilter, Page, StoredEvent
from domain.dead_letter import Record
from domain.event import UserEvent


class Delivery(NamedTuple):
    """A record read from the log, and the event it holds."""

    record: Record
    event: UserEvent


class Outcome(Enum):
    """What became of one event that the store was given."""

    STORED = auto()
    DUPLICATE = auto()
    """Its id stands there already, with the same user, type and payload."""
    CONFLICT = auto()
    """Its id stands there already, with another user, type or payload; nothing was changed."""


class EventStore(Protocol):
    """The table of events: one row an id."""

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Store the events whose ids are new, with the place where each was read; one outcome each, in order.

        Atomic and idempotent, safe under any number of concurrent writers of the same ids. Of equal ids within a call
        the first counts. Payloads are compared as JSON values, timestamps not at all. Raises `Rejected` or `Declined`
        when an event of the call is refused, which may be the store's fault: nothing of the call is stored then.
        """
        ...

    async def check(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome | None]:
        """Compare events with what stands under their ids, one answer each, in order; changes nothing.

        `DUPLICATE` or `CONFLICT` as `add` would find, None where the id does not stand there.
        """
        ...

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        """List at most `limit` rows (1 or more): by `created_at`, then `id`, descending, absent times last.

        The row with which the payloads amount to `PAGE_PAYLOAD` bytes is the page's last, whatever the limit. In the
        place of a payload whose numbers print more than `MAX_PRINTED_NUMBERS` digits stands what `omitted` renders.
        """
        ...

    async def get(self, event_id: UUID) -> StoredEvent | None:
        """Find one row, its payload as in a page."""
        ...

    async def settled_until(self) -> datetime:
        """Tell a time, as late as can be known, before which no row's `created_at` will yet appear."""
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def probe(self) -> None:
        """Return when the store takes another event at this moment; leaves nothing behind.

        Raises what `add` raises where it takes none.
        """
        ...
