"""The contract of `EventStore`: how it is read."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from application.listing import PAGE_PAYLOAD, Cursor, EventFilter, Page, StoredEvent
from application.ports import EventStore
from tests.contracts.store_contract import StoreUnderTest
from tests.support.events import LOGOUT, NOON, an_event, delivered
from tests.support.waiting import PATIENCE

EVERYTHING = EventFilter()


def a_row(
    created_at: datetime | None,
    *,
    event_id: UUID | None = None,
    user_id: str = "user-1",
    event_type: str = "LOGIN",
    payload: str | None = "{}",
) -> StoredEvent:
    """Make a row with a new id unless one is given."""
    return StoredEvent(event_id or uuid4(), user_id, event_type, payload, created_at, None)


async def walk(store: EventStore, wanted: EventFilter, size: int) -> list[StoredEvent]:
    """Read page by page to the end."""
    page = await store.page(wanted, None, size)
    rows = [*page.rows]
    while page.following is not None:
        page = await store.page(wanted, page.following, size)
        rows += page.rows
    return rows


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
        assert await table.store.page(EVERYTHING, None, 10) == Page(rows, None)
        for size in range(1, 6):
            last = rows[size - 1]
            assert await table.store.page(EVERYTHING, None, size) == Page(rows[:size], Cursor(last.created_at, last.id))

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
    async def test_page_that_holds_all_has_none_after_it(self, table: StoreUnderTest, size: int) -> None:
        """Also when it is full to the last row, with and without a time."""
        rows = [a_row(NOON - timedelta(seconds=age)) for age in range(size // 2)]
        rows += sorted((a_row(None) for _ in range(size - len(rows))), key=lambda row: row.id, reverse=True)
        await table.insert(rows)
        assert await table.store.page(EVERYTHING, None, size) == Page(rows, None)

    async def test_page_of_large_rows_is_short(self, table: StoreUnderTest) -> None:
        """It has what amounts to the limit of payload, a row at least, and goes on where it ended."""
        text = f'{{"a": "{"x" * (PAGE_PAYLOAD // 2)}"}}'
        huge = f'{{"a": "{"x" * (PAGE_PAYLOAD * 2)}"}}'
        rows = [a_row(NOON - timedelta(seconds=age), payload=text) for age in range(5)]
        rows += [a_row(NOON - timedelta(days=1), payload=huge), a_row(None, payload=None)]
        await table.insert(rows)
        page = await table.store.page(EVERYTHING, None, 1_000)
        assert page.rows == rows[:2]
        assert page.following == Cursor(rows[1].created_at, rows[1].id)
        assert await walk(table.store, EVERYTHING, 1_000) == rows

    async def test_payload_whose_numbers_print_too_long_is_omitted(self, table: StoreUnderTest) -> None:
        """What was stored before that was bounded, or by somebody else; all others are read as ever."""
        growing = [f'{{"a": [{", ".join([number] * 1_500)}]}}' for number in ("1e8000", "-1.5e-8000", "0e-8000")]
        ordinary = ['{"a": 1}', f'{{"a": [{", ".join(["1", "0", "-0.25", str(10**300)] * 500)}]}}', None]
        rows = [a_row(NOON - timedelta(seconds=age), payload=text) for age, text in enumerate(growing + ordinary)]
        await table.insert(rows)
        listed = await walk(table.store, EVERYTHING, 4)
        assert listed[3:] == rows[3:]
        for row, read in zip(rows[:3], listed[:3], strict=True):
            assert (read.id, read.user_id, read.created_at) == (row.id, row.user_id, row.created_at)
            marker = json.loads(read.payload or "")["$omitted"]
            assert marker["digits"] > 1_500 * 8_000
            assert marker["sql"] == f"SELECT payload FROM events WHERE id = '{row.id}'"
            assert await table.store.get(row.id) == read

    async def test_walk_neither_repeats_nor_skips(self, table: StoreUnderTest) -> None:
        """Thousands of rows of one transaction share their time; a page may end anywhere among them."""
        rows = [a_row(NOON) for _ in range(3000)]
        rows += [a_row(NOON + timedelta(microseconds=number)) for number in range(-50, 50)]
        rows += [a_row(None) for _ in range(150)]
        await table.insert(rows)
        listed = await walk(table.store, EVERYTHING, 97)
        assert [row.id for row in listed] == [row.id for row in (await table.store.page(EVERYTHING, None, 10_000)).rows]
        assert {row.id for row in listed} == {row.id for row in rows}
        assert len(listed) == len(rows)

    async def test_rows_that_come_meanwhile_do_not_disturb_a_walk(self, table: StoreUnderTest) -> None:
        """A cursor is a place, not a count."""
        await table.insert([a_row(NOON) for _ in range(10)])
        first = await table.store.page(EVERYTHING, None, 5)
        await table.insert([a_row(NOON + timedelta(seconds=1)) for _ in range(5)])
        second = await table.store.page(EVERYTHING, first.following, 10)
        assert len({row.id for row in [*first.rows, *second.rows]}) == 10

    async def test_cursor_need_not_name_a_row(self, table: StoreUnderTest) -> None:
        """It is a place between rows as well."""
        rows = [a_row(NOON + timedelta(seconds=second)) for second in (2, 1, 0)]
        await table.insert(rows)
        between = Cursor(NOON + timedelta(seconds=1.5), UUID(int=0))
        assert await table.store.page(EVERYTHING, between, 10) == Page(rows[1:], None)
        assert await table.store.page(EVERYTHING, Cursor(None, UUID(int=0)), 10) == Page([], None)

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (EventFilter(user_id="ann"), [0, 1, 2, 5]),
            (EventFilter(user_id="nobody"), []),
            (EventFilter(event_type=LOGOUT), [1, 4]),
            (EventFilter(user_id="ann", event_type=LOGOUT), [1]),
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

    async def test_calendars_first_and_last_instant_are_bounds_as_any_other(self, table: StoreUnderTest) -> None:
        """A range ends before them, a page at them."""
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        rows = [a_row(moment) for moment in (last, NOON, first)]
        await table.insert(rows)
        assert await walk(table.store, EVERYTHING, 1) == rows
        assert await walk(table.store, EventFilter(until=last), 1) == rows[1:]
        assert await walk(table.store, EventFilter(since=first), 1) == rows
        assert await walk(table.store, EventFilter(since=last), 1) == rows[:1]

    async def test_row_is_found_by_its_id(self, table: StoreUnderTest) -> None:
        """An unknown id is None."""
        row = a_row(None, event_type="SOMETHING_ELSE")
        await table.insert([row])
        assert await table.store.get(row.id) == row
        assert await table.store.get(uuid4()) is None

    async def test_nothing_appears_before_the_settled_time(self, table: StoreUnderTest) -> None:
        """The list up to that time is complete, also beside writers."""
        store = table.store
        seen: list[tuple[datetime, Page]] = []

        async def write() -> None:
            while sum(bool(page.rows) for _, page in seen) < 20:
                await store.add(delivered(an_event(), an_event()))

        async def look() -> None:
            while sum(bool(page.rows) for _, page in seen) < 20:
                bound = await store.settled_until()
                seen.append((bound, await store.page(EventFilter(until=bound), None, 10_000)))

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(look(), *(write() for _ in range(4)))
        for bound, page in seen:
            assert bound <= datetime.now(UTC)
            assert await store.page(EventFilter(until=bound), None, 10_000) == page

    async def test_probe_leaves_nothing_behind(self, table: StoreUnderTest) -> None:
        """It writes, but no row is ever seen."""
        await table.store.ping()
        await table.store.probe()
        assert await table.store.page(EVERYTHING, None, 10) == Page([], None)
