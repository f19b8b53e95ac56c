"""The contract of `EventStore`: how it is read."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.ports import Cursor, EventFilter, EventStore, StoredEvent
from domain.event import EventType
from tests.contracts.harness import PATIENCE
from tests.contracts.store_contract import StoreUnderTest
from tests.support.events import NOON, an_event, delivered

EVERYTHING = EventFilter()


def a_row(
    created_at: datetime | None, *, event_id: UUID | None = None, user_id: str = "user-1", event_type: str = "LOGIN"
) -> StoredEvent:
    """Make a row with a new id unless one is given."""
    return StoredEvent(event_id or uuid4(), user_id, event_type, "{}", created_at, None)


async def walk(store: EventStore, wanted: EventFilter, size: int) -> list[StoredEvent]:
    """Read page by page until one is not full."""
    rows: list[StoredEvent] = []
    place: Cursor | None = None
    while True:
        page = await store.page(wanted, place, size)
        rows += page
        if len(page) < size:
            return rows
        place = Cursor(page[-1].created_at, page[-1].id)


class ListingContract:
    """Subclasses override the fixture `table`."""

    @pytest.fixture
    def table(self) -> StoreUnderTest:
        raise NotImplementedError

    async def test_rows_are_listed_newest_first(self, table: StoreUnderTest) -> None:
        """By time, then id, descending; rows without a time come last, by id."""
        ids = sorted(uuid4() for _ in range(6))
        rows = [
            a_row(NOON + timedelta(microseconds=1), event_id=ids[0]),
            a_row(NOON, event_id=ids[5]),
            a_row(NOON, event_id=ids[1]),
            a_row(NOON - timedelta(days=1), event_id=ids[4]),
            a_row(None, event_id=ids[3]),
            a_row(None, event_id=ids[2]),
        ]
        await table.insert(rows[::-1])
        assert await table.store.page(EVERYTHING, None, 10) == rows
        assert await table.store.page(EVERYTHING, None, 5) == rows[:5]

    async def test_walk_neither_repeats_nor_skips(self, table: StoreUnderTest) -> None:
        """Thousands of rows of one transaction share their time; a page may end anywhere among them."""
        rows = [a_row(NOON) for _ in range(3000)]
        rows += [a_row(NOON + timedelta(microseconds=number)) for number in range(-50, 50)]
        rows += [a_row(None) for _ in range(150)]
        await table.insert(rows)
        listed = await walk(table.store, EVERYTHING, 97)
        assert [row.id for row in listed] == [row.id for row in await table.store.page(EVERYTHING, None, 10_000)]
        assert {row.id for row in listed} == {row.id for row in rows}
        assert len(listed) == len(rows)

    async def test_rows_that_come_meanwhile_do_not_disturb_a_walk(self, table: StoreUnderTest) -> None:
        """A cursor is a place, not a count."""
        await table.insert([a_row(NOON) for _ in range(10)])
        first = await table.store.page(EVERYTHING, None, 5)
        await table.insert([a_row(NOON + timedelta(seconds=1)) for _ in range(5)])
        second = await table.store.page(EVERYTHING, Cursor(first[-1].created_at, first[-1].id), 10)
        assert len({row.id for row in [*first, *second]}) == 10

    async def test_cursor_need_not_name_a_row(self, table: StoreUnderTest) -> None:
        """It is a place between rows as well."""
        rows = [a_row(NOON + timedelta(seconds=second)) for second in (2, 1, 0)]
        await table.insert(rows)
        assert await table.store.page(EVERYTHING, Cursor(NOON + timedelta(seconds=1.5), UUID(int=0)), 10) == rows[1:]
        assert await table.store.page(EVERYTHING, Cursor(None, UUID(int=0)), 10) == []

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (EventFilter(user_id="ann"), [0, 1, 2, 5]),
            (EventFilter(user_id="nobody"), []),
            (EventFilter(event_type=EventType.LOGOUT), [1, 4]),
            (EventFilter(user_id="ann", event_type=EventType.LOGOUT), [1]),
            (EventFilter(since=NOON + timedelta(seconds=2)), [0, 1]),
            (EventFilter(until=NOON + timedelta(seconds=2)), [2, 3, 4]),
            (EventFilter(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=3)), [1, 2]),
            (EventFilter(since=NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=1)), []),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("size", [1, 2, 10])
    async def test_filter_chooses_rows(
        self, table: StoreUnderTest, wanted: EventFilter, expected: list[int], size: int
    ) -> None:
        """`since` belongs to the range, `until` does not, and a row without a time lies in no range."""
        rows = [
            a_row(NOON + timedelta(seconds=3), user_id="ann"),
            a_row(NOON + timedelta(seconds=2), user_id="ann", event_type="LOGOUT"),
            a_row(NOON + timedelta(seconds=1), user_id="ann"),
            a_row(NOON, user_id="bob"),
            a_row(NOON - timedelta(seconds=1), user_id="bob", event_type="LOGOUT"),
            a_row(None, user_id="ann"),
        ]
        await table.insert(rows)
        assert await walk(table.store, wanted, size) == [rows[place] for place in expected]

    async def test_row_is_found_by_its_id(self, table: StoreUnderTest) -> None:
        """An unknown id is None."""
        row = a_row(None, event_type="SOMETHING_ELSE")
        await table.insert([row])
        assert await table.store.get(row.id) == row
        assert await table.store.get(uuid4()) is None

    async def test_nothing_appears_before_the_settled_time(self, table: StoreUnderTest) -> None:
        """What was listed up to that time is complete, whoever was writing."""
        store = table.store
        seen: list[tuple[datetime, list[StoredEvent]]] = []
        writing = asyncio.Event()
        writing.set()

        async def write() -> None:
            for _ in range(20):
                await store.add(delivered(*(an_event() for _ in range(20))))

        async def look() -> None:
            while writing.is_set():
                bound = await store.settled_until()
                seen.append((bound, list(await store.page(EventFilter(until=bound), None, 10_000))))

        async with asyncio.timeout(PATIENCE):
            looking = asyncio.create_task(look())
            await asyncio.gather(*(write() for _ in range(4)))
            writing.clear()
            await looking
        for bound, rows in seen:
            assert bound <= datetime.now(UTC)
            assert await store.page(EventFilter(until=bound), None, 10_000) == rows

    async def test_probe_leaves_nothing_behind(self, table: StoreUnderTest) -> None:
        """It writes, but no row is ever seen."""
        await table.store.ping()
        await table.store.probe()
        assert await table.store.page(EVERYTHING, None, 10) == []
