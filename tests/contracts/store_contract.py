"""The contract of `EventStore`: what becomes of what it is given."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from application.listing import EventFilter, Page, StoredEvent
from application.ports import EventStore, Outcome
from domain.errors import Rejected
from domain.event import UserEvent
from tests.support.events import LOGOUT, NOON, PRODUCT_VIEW, an_event, delivered
from tests.support.strategies import events as any_event
from tests.support.waiting import PATIENCE

STORED, DUPLICATE, CONFLICT = Outcome


class StoreUnderTest(Protocol):
    """A store that is empty at the start of each test."""

    @property
    def store(self) -> EventStore: ...

    async def insert(self, rows: Sequence[StoredEvent]) -> None:
        """Write rows past the store, as a foreign writer does."""
        ...


def exactly(text: str | bytes) -> object:
    """Parse JSON, its numbers as they are written: a float would round them."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


class AddContract:
    """Subclasses override the fixture `table`."""

    @pytest.fixture
    def table(self) -> StoreUnderTest:
        raise NotImplementedError

    @pytest.fixture
    def store(self, table: StoreUnderTest) -> EventStore:
        return table.store

    async def test_new_event_is_stored_as_it_was_read(self, store: EventStore) -> None:
        """The row says what the event said, and when it was made."""
        event = an_event("Jörg", b'{"a": [1, 2.50, "\\u00e4"], "b": null}', event_type=PRODUCT_VIEW)
        before = await store.settled_until()
        assert await store.add(delivered(event)) == [STORED]
        row = await store.get(event.id)
        assert row is not None
        assert (row.id, row.user_id, row.event_type) == (event.id, "Jörg", "PRODUCT_VIEW")
        assert row.occurred_at == event.occurred_at
        assert json.loads(row.payload or "") == {"a": [1, 2.5, "ä"], "b": None}
        assert row.created_at is not None
        assert before <= row.created_at <= datetime.now(UTC) + timedelta(seconds=1)

    @pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)], ids=str)
    async def test_calendars_first_and_last_instant_are_stored(self, store: EventStore, moment: datetime) -> None:
        """As any other, whichever way rows are written."""
        first, second = an_event(occurred_at=moment), an_event()
        await store.add(delivered(first))
        assert await store.add(delivered(first, second._replace(occurred_at=first.occurred_at))) == [DUPLICATE, STORED]
        for event in (first, second):
            row = await store.get(event.id)
            assert row is not None
            assert row.occurred_at == first.occurred_at

    async def test_nothing_to_add_is_no_error(self, store: EventStore) -> None:
        """No events, no outcomes."""
        assert list(await store.add([])) == []

    async def test_adding_again_changes_nothing(self, store: EventStore) -> None:
        """Every delivery after the first is a duplicate; the row stays as it was."""
        event = an_event()
        await store.add(delivered(event))
        row = await store.get(event.id)
        assert await store.add(delivered(event, an_event(), event)) == [DUPLICATE, STORED, DUPLICATE]
        assert await store.get(event.id) == row

    async def test_first_of_equal_ids_in_a_call_counts(self, store: EventStore) -> None:
        """Those after it are compared with it, in the order given."""
        first = an_event(payload=b'{"n":1}')
        other = an_event(payload=b'{"n":2}', event_id=first.id)
        assert await store.add(delivered(first, other, first, other)) == [STORED, CONFLICT, DUPLICATE, CONFLICT]
        row = await store.get(first.id)
        assert row is not None
        assert json.loads(row.payload or "") == {"n": 1}

    @pytest.mark.parametrize(
        "changed",
        [
            {"user_id": "someone-else"},
            {"event_type": LOGOUT},
            {"payload": b'{"a":1,"b":[true,null]}'},
            {"payload": b'{"a":true,"b":[1,null]}'},
            {"payload": b'{"a":"1","b":[1,null]}'},
            {"payload": b'{"a":1,"b":[null,1]}'},
            {"payload": b'{"a":1,"b":[1,null],"c":null}'},
            {"payload": b"{}"},
        ],
        ids=str,
    )
    async def test_another_content_under_a_taken_id_is_a_conflict(
        self, store: EventStore, changed: dict[str, Any]
    ) -> None:
        """Whether user, type or payload differ; the row is not changed."""
        event = an_event(payload=b'{"a":1,"b":[1,null]}')
        await store.add(delivered(event))
        row = await store.get(event.id)
        assert await store.add(delivered(event._replace(**changed))) == [CONFLICT]
        assert await store.get(event.id) == row

    @pytest.mark.parametrize(
        "payload",
        [b'{"b":[1,null],"a":1}', b'{ "a" : 1.0, "b" : [1e0, null] }', b'{"a":7,"\\u0062":[1,null],"a":10e-1}'],
        ids=["order of keys", "form of numbers", "repeated and escaped keys"],
    )
    async def test_equal_json_in_another_form_is_a_duplicate(self, store: EventStore, payload: bytes) -> None:
        """Payloads are compared as JSON values, and the time of the event not at all."""
        event = an_event(payload=b'{"a":1,"b":[1,null]}')
        await store.add(delivered(event))
        later = an_event(payload=payload, event_id=event.id, occurred_at=NOON + timedelta(days=1))
        assert await store.add(delivered(later)) == [DUPLICATE]

    async def test_numbers_are_compared_beyond_the_precision_of_a_float(self, store: EventStore) -> None:
        """Two numbers that a float cannot tell apart are different."""
        event = an_event(payload=b'{"n":9007199254740993}')
        await store.add(delivered(event))
        assert await store.add(delivered(an_event(payload=b'{"n":9007199254740992}', event_id=event.id))) == [CONFLICT]

    async def test_row_of_a_foreign_writer_counts_as_stored(self, table: StoreUnderTest) -> None:
        """An absent payload is compared as an empty one."""
        event, other = an_event(payload=b"{}"), an_event(payload=b'{"n":1}')
        await table.insert([StoredEvent(each.id, each.user_id, "LOGIN", None, None, None) for each in (event, other)])
        assert await table.store.add(delivered(event, other)) == [DUPLICATE, CONFLICT]

    async def test_check_finds_rows_and_changes_nothing(self, store: EventStore) -> None:
        """A duplicate or a conflict as adding would find, None where there is no such row; in order."""
        stored, absent = an_event(payload=b'{"n":1}'), an_event()
        other = stored._replace(payload=b'{"n":2}')
        await store.add(delivered(stored))
        assert list(await store.check(delivered(absent, other, stored, absent))) == [None, CONFLICT, DUPLICATE, None]
        assert await store.get(absent.id) is None
        assert list(await store.check([])) == []

    @pytest.mark.parametrize(
        "bad",
        [an_event(payload=b'{"a":"\\u0000"}'), an_event("nul\0"), an_event(payload=b'{"n":1e999999}')],
        ids=["NUL in the payload", "NUL in the user", "a number without end"],
    )
    async def test_event_that_can_never_be_stored_rejects_the_whole_call(
        self, store: EventStore, bad: UserEvent
    ) -> None:
        """Nothing of the call is stored, and the others can be added without it."""
        good = [an_event(), an_event()]
        with pytest.raises(Rejected):
            await store.add(delivered(good[0], bad, good[1]))
        assert await store.page(EventFilter(), None, 10) == Page([], None)
        assert await store.add(delivered(*good)) == [STORED, STORED]

    @given(event=any_event)
    # One store for all examples will do, and each adapter's class runs this in its own way.
    @settings(
        max_examples=50,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    async def test_whatever_the_validator_accepts_can_be_stored(self, store: EventStore, event: UserEvent) -> None:
        """And is found to be itself when it comes again."""
        # Examples repeat themselves, ids included.
        event = event._replace(id=uuid4())
        assert await store.add(delivered(event)) == [STORED]
        assert await store.add(delivered(event)) == [DUPLICATE]
        row = await store.get(event.id)
        assert row is not None
        assert (row.user_id, row.event_type, row.occurred_at) == (event.user_id, event.event_type, event.occurred_at)
        assert exactly(row.payload or "") == exactly(event.payload)

    async def test_cancelled_call_blocks_nobody(self, store: EventStore) -> None:
        """Whatever became of it, the same event can be added again at once."""
        event = an_event()
        adding = asyncio.create_task(store.add(delivered(event)))
        await asyncio.sleep(0)
        adding.cancel()
        await asyncio.wait([adding])
        async with asyncio.timeout(PATIENCE):
            assert await store.add(delivered(event)) in ([STORED], [DUPLICATE])
            assert await store.add(delivered(event)) == [DUPLICATE]

    async def test_writers_of_the_same_ids_at_once_store_each_once(self, store: EventStore) -> None:
        """In whatever order each of them has the ids: no deadlock, one `STORED` an id, the rest duplicates."""
        events = [an_event() for _ in range(60)]

        async def add(seed: int) -> list[tuple[UserEvent, Outcome]]:
            own = random.Random(seed).sample(events, 50)
            return list(zip(own, await store.add(delivered(*own)), strict=True))

        async with asyncio.timeout(PATIENCE):
            results = await asyncio.gather(*(add(seed) for seed in range(8)))
        outcomes = [pair for result in results for pair in result]
        stored = Counter(event.id for event, outcome in outcomes if outcome is STORED)
        assert stored == Counter({event.id for event, _ in outcomes})
        assert {outcome for _, outcome in outcomes} == {STORED, DUPLICATE}

    async def test_writers_of_one_id_with_other_contents_at_once_leave_one_winner(self, store: EventStore) -> None:
        """The row is the winner's, and everybody else gets the conflict."""
        event_id = uuid4()
        rivals = [an_event(payload=b'{"n":%d}' % number, event_id=event_id) for number in range(8)]
        async with asyncio.timeout(PATIENCE):
            outcomes = [*await asyncio.gather(*(store.add(delivered(rival)) for rival in rivals))]
        assert sorted(outcomes, key=str) == sorted([[STORED]] + [[CONFLICT]] * 7, key=str)
        row = await store.get(event_id)
        assert row is not None
        assert json.loads(row.payload or "") == {"n": outcomes.index([STORED])}
