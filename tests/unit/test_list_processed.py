"""Reading what was stored: by the page, by the id, or as a whole."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from adapters.memory import MemoryEventStore
from application.list_processed import ListProcessed
from application.listing import PAGE_PAYLOAD, Cursor, EventFilter, Page, StoredEvent
from tests.support.events import NOON

EVERYTHING = EventFilter()


def a_row(created_at: datetime | None, user_id: str = "user-1") -> StoredEvent:
    """Make a row with a new id."""
    return StoredEvent(uuid4(), user_id, "LOGIN", "{}", created_at, None)


class World:
    """A table whose clock is always at noon."""

    def __init__(self) -> None:
        self.store = MemoryEventStore(lambda: NOON)
        self.listing = ListProcessed(self.store)

    def insert(self, *rows: StoredEvent) -> list[StoredEvent]:
        """Add rows, and return them newest first."""
        self.store.rows |= {row.id: row for row in rows}
        return sorted(rows, key=lambda row: (row.created_at or datetime.min.replace(tzinfo=NOON.tzinfo), row.id))[::-1]

    async def exported(
        self, limit: int | None = None, after: Cursor | None = None, wanted: EventFilter = EVERYTHING
    ) -> list[list[StoredEvent]]:
        """Export page by page."""
        return [list(rows) async for rows in self.listing.export(wanted, after, limit)]


@pytest.fixture
def world() -> World:
    """An empty table."""
    return World()


async def test_page_that_holds_all_has_none_after_it(world: World) -> None:
    """Also when it is full to the last row."""
    rows = world.insert(*(a_row(NOON - timedelta(seconds=age)) for age in range(3)))
    assert await world.listing.page(EVERYTHING, None, 3) == Page(rows, None)


async def test_page_tells_where_the_next_one_begins(world: World) -> None:
    """After its own last row; together they are everything, once and in order."""
    rows = world.insert(*(a_row(NOON - timedelta(seconds=age // 3)) for age in range(10)), a_row(None), a_row(None))
    found: list[StoredEvent] = []
    place: Cursor | None = None
    while True:
        page = await world.listing.page(EVERYTHING, place, 5)
        found += page.rows
        place = page.following
        if place is None:
            break
        assert place == Cursor(page.rows[-1].created_at, page.rows[-1].id)
    assert found == rows


async def test_empty_table_is_one_empty_page(world: World) -> None:
    """And an empty export."""
    assert await world.listing.page(EVERYTHING, None, 5) == Page([], None)
    assert await world.exported() == [[]]


async def test_row_is_found_by_its_id(world: World) -> None:
    """Or is not there."""
    (row,) = world.insert(a_row(NOON))
    assert await world.listing.get(row.id) == row
    assert await world.listing.get(UUID(int=0)) is None


async def test_export_holds_everything_a_page_at_a_time(world: World) -> None:
    """In pages of a thousand rows, in order."""
    rows = world.insert(*(a_row(NOON - timedelta(milliseconds=age)) for age in range(2_500)))
    pages = await world.exported()
    assert [len(page) for page in pages] == [1_000, 1_000, 500]
    assert [row for page in pages for row in page] == rows


@pytest.mark.parametrize(
    ("limit", "sizes"), [(0, []), (1, [1]), (1_000, [1_000]), (1_001, [1_000, 1]), (9_999, [1_000, 500])]
)
async def test_export_ends_at_its_limit(world: World, limit: int, sizes: list[int]) -> None:
    """To the row."""
    rows = world.insert(*(a_row(NOON - timedelta(milliseconds=age)) for age in range(1_500)))
    pages = await world.exported(limit)
    assert [len(page) for page in pages] == sizes
    assert [row for page in pages for row in page] == rows[:limit]


@pytest.mark.parametrize("limit", [None, 4])
async def test_export_holds_few_large_rows_at_a_time(world: World, limit: int | None) -> None:
    """Its pages are bounded by what is in them."""
    text = f'{{"a":"{"x" * (PAGE_PAYLOAD // 2)}"}}'
    rows = world.insert(*(replace(a_row(NOON - timedelta(seconds=age)), payload=text) for age in range(5)))
    assert await world.exported(limit) == [rows[:2], rows[2:4], rows[4:]][: None if limit is None else 2]


async def test_export_leaves_out_what_is_not_settled(world: World) -> None:
    """A row of the last moments may yet get neighbours that would be missed; those of that very moment are settled."""
    settled, unsettled = a_row(NOON), a_row(NOON + timedelta(microseconds=1))
    world.insert(unsettled, settled)
    assert await world.exported() == [[settled]]


async def test_export_goes_on_after_a_place(world: World) -> None:
    """As a client does that kept a cursor."""
    rows = world.insert(*(a_row(NOON - timedelta(seconds=age)) for age in range(5)))
    assert await world.exported(after=Cursor(rows[1].created_at, rows[1].id)) == [rows[2:]]


async def test_page_and_export_keep_to_the_filter(world: World) -> None:
    """Nothing else is listed or counted."""
    own = world.insert(*(a_row(NOON - timedelta(seconds=age), user_id="user-2") for age in range(3)))
    world.insert(*(a_row(NOON) for _ in range(10)))
    wanted = EventFilter(user_id="user-2")
    assert await world.listing.page(wanted, None, 3) == Page(own, None)
    assert await world.exported(2, wanted=wanted) == [own[:2]]
