"""`GET /events/processed` as JSON pages, and `GET /events/{id}`."""

import json
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from application.listing import StoredEvent
from domain.errors import Unavailable
from tests.support.api import Api
from tests.support.events import LOGIN, LOGOUT, NOON, an_event, delivered

LIST = "/events/processed"
EVENT_ID = "0198f3c0-1111-7abc-8def-0123456789ab"


def put(api: Api, count: int, created_at: datetime | None = NOON, user_id: str = "user-1") -> list[StoredEvent]:
    """Insert rows as another writer would, one second apart; return them newest first."""
    rows = [
        StoredEvent(
            UUID(int=number + 1),
            user_id,
            LOGIN,
            '{"n": 1.50}',
            created_at and created_at + timedelta(seconds=number),
            NOON,
        )
        for number in range(count)
    ]
    api.store.rows.update((row.id, row) for row in rows)
    return rows[::-1]


async def test_row_has_utc_times_and_verbatim_payload(api: Api) -> None:
    """The keys are the columns of the legacy service."""
    put(api, 1, NOON.replace(microsecond=1234))
    response = await api.client.get(LIST)
    assert response.text == (
        '[{"id":"00000000-0000-0000-0000-000000000001","user_id":"user-1","event_type":"LOGIN","payload":{"n": 1.50},'
        '"created_at":"2026-11-22T12:00:00.001234Z","occurred_at":"2026-11-22T12:00:00.000Z"}]'
    )


async def test_missing_values_of_other_writers_are_null(api: Api) -> None:
    """Rows of the legacy service have no `occurred_at`, and some have no payload."""
    row = StoredEvent(uuid4(), "u", "OTHER", None, None, None)
    api.store.rows[row.id] = row
    [found] = (await api.client.get(LIST)).json()
    assert (found["payload"], found["created_at"], found["occurred_at"]) == (None, None, None)


async def test_filters_select_rows(api: Api) -> None:
    """`since` is inclusive, `until` exclusive, both in any offset."""
    put(api, 4)
    wrong_user = an_event("user-2", event_type=LOGOUT)
    await api.store.add(delivered(wrong_user))
    berlin = timezone(timedelta(hours=1))
    parameters = {
        "userId": "user-1",
        "eventType": "LOGIN",
        "since": (NOON + timedelta(seconds=1)).astimezone(berlin).isoformat(),
        "until": (NOON + timedelta(seconds=3)).isoformat(),
    }
    found = (await api.client.get(LIST, params=parameters)).json()
    assert [UUID(row["id"]).int for row in found] == [3, 2]


async def test_default_limit_is_100(api: Api) -> None:
    """A page for people to read."""
    put(api, 101)
    assert len((await api.client.get(LIST)).json()) == 100
    assert len((await api.client.get(f"{LIST}?limit=1000")).json()) == 101


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=" + "A" * 36, "cursor"),
        ("cursor=" + "A" * 32 + "ANgA", "cursor"),
        ("cursor=" + "A" * 32 + "_" * 2_000, "cursor"),
        ("cursor=" + "A" * 60_000, "cursor"),
        ("cursor=" + "A" * 31 + "=", "cursor"),
        ("cursor=%C3%A9" + "A" * 31, "cursor"),
        ("cursor=f_________8AAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ("userId=", "userId"),
        ("userId=a&userId=b", "userId"),
        ("userId=%00", "userId"),
        ("userId=%FF", "userId"),
        ("userId=" + "a" * 513, "userId"),
        ("eventType=no+name", "eventType"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("since=2026-01-01T00:00:00+01:00", "since"),
        ("until=0001-01-01T00:00:00%2B14:00", "until"),
    ],
)
async def test_invalid_parameter_gets_422_with_its_name(api: Api, query: str, field: str) -> None:
    """The api does not guess another query."""
    response = await api.client.get(f"{LIST}?{query}")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("since", ["2026-01-01T00:00:00+01:00", "2026-01-01T00:00+0100", "2026-01-01 00:00:00.5+01:00"])
async def test_lost_plus_sign_gets_hint(api: Api, since: str) -> None:
    """In a query string a plus sign means a space."""
    response = await api.client.get(f"{LIST}?since={since}")
    [error] = response.json()["errors"]
    assert "%2B" in error["message"]


async def test_all_invalid_parameters_are_reported_together(api: Api) -> None:
    """The client can correct all problems at once."""
    response = await api.client.get(LIST, params={"limit": "x", "cursor": "x", "since": "x"})
    assert {error["field"] for error in response.json()["errors"]} == {"limit", "cursor", "since"}


async def test_store_outage_gets_503(api: Api) -> None:
    """With `Retry-After`, without the cause."""
    api.store.outage = Unavailable("connection to db.internal refused")
    for path in (LIST, f"/events/{uuid4()}"):
        response = await api.client.get(path)
        assert response.status_code == 503
        assert "retry-after" in response.headers
        assert "db.internal" not in response.text


async def test_stored_event_is_found_by_its_id(api: Api) -> None:
    """In the same form as in the list."""
    event = an_event(payload=b'{"a":  1}')
    await api.store.add(delivered(event))
    response = await api.client.get(f"/events/{event.id}")
    assert response.status_code == 200
    assert '"payload":{"a":  1}' in response.text
    assert response.json() == (await api.client.get(LIST)).json()[0]


@pytest.mark.parametrize(
    "event_id", [EVENT_ID, EVENT_ID.upper(), EVENT_ID.replace("-", ""), EVENT_ID.replace("-", "", 1)]
)
async def test_get_accepts_ids_that_post_accepts(api: Api, event_id: str) -> None:
    """In each spelling of a UUID."""
    posted = await api.post(json.dumps({"userId": "u", "eventType": "LOGIN", "eventId": event_id}).encode())
    assert posted.status_code == 201
    await api.store.add(delivered(an_event(event_id=UUID(EVENT_ID))))
    found = await api.client.get(f"/events/{event_id}")
    assert found.json()["id"] == EVENT_ID


@pytest.mark.parametrize("spelling", ["7", "{}0", "{{{}}}", "urn:uuid:{}", "%20{}"])
async def test_id_that_post_rejects_gets_404(api: Api, spelling: str) -> None:
    """Also an id that only Python accepts."""
    await api.store.add(delivered(an_event(event_id=UUID(EVENT_ID))))
    assert (await api.client.get(f"/events/{spelling.format(EVENT_ID)}")).status_code == 404


@pytest.mark.parametrize("event_id", ["0198c0de-0000-7000-8000-000000000001", "generated", "%00", "%FF"])
async def test_unknown_or_malformed_id_gets_404(api: Api, event_id: str) -> None:
    """An invalid id cannot be that of an event."""
    response = await api.client.get(f"/events/{event_id}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
