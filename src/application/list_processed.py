"""List what was stored."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from application.listing import Cursor, EventFilter, Page, StoredEvent
from application.ports import EventStore

_EXPORT_PAGE_ROWS = 1_000
_LAST_ID = UUID(int=(1 << 128) - 1)


class ListProcessed:
    """Reads the table by the page, by the id, or as a whole."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def page(self, wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        """Read one page. Pages neither repeat nor skip a row that stood when the first was read."""
        return await self._store.page(wanted, after, limit)

    async def get(self, event_id: UUID) -> StoredEvent | None:
        """Find one event."""
        return await self._store.get(event_id)

    async def export(
        self, wanted: EventFilter, after: Cursor | None, limit: int | None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """Read all pages, newest first, at most `limit` rows, holding one page at a time.

        Starts at the time up to which no row can still appear, so that the next export can begin where this one did.
        """
        left = limit
        place: Cursor | None = after or Cursor(await self._store.settled_until(), _LAST_ID)
        while place is not None and left != 0:
            page = await self.page(wanted, place, _EXPORT_PAGE_ROWS if left is None else min(left, _EXPORT_PAGE_ROWS))
            yield page.rows
            place = page.following
            left = None if left is None else left - len(page.rows)
