"""The pages of `GET /events/processed`: links, and the cursors in them."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from struct import pack
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest

from application.listing import StoredEvent
from tests.support.api import Api
from tests.support.events import NOON

LIST = "/events/processed"


def put(
    api: Api, count: int, created_at: datetime | None = NOON, *, user_id: str = "user-1", first: int = 1
) -> list[StoredEvent]:
    """Insert rows as another writer would, one second apart; return them newest first."""
    rows = [
        StoredEvent(
            UUID(int=number), user_id, "LOGIN", "{}", created_at and created_at + timedelta(seconds=number), None
        )
        for number in range(first, first + count)
    ]
    api.store.rows.update((row.id, row) for row in rows)
    return rows[::-1]


async def test_linked_pages_show_every_row_once(api: Api) -> None:
    """Newest first, rows without a time last; the last page has no link."""
    expected = [*put(api, 5), *put(api, 2, None, first=10)]
    seen: list[str] = []
    url = f"{LIST}?limit=2"
    while url:
        response = await api.client.get(url)
        seen += [row["id"] for row in response.json()]
        url = response.links.get("next", {}).get("url", "")
    assert seen == [str(row.id) for row in expected]


async def test_link_to_next_page_keeps_other_parameters(api: Api) -> None:
    """The next page has the same filters."""
    put(api, 3, user_id="ü&=#")
    put(api, 9, user_id="other", first=10)
    parameters = {"limit": "1", "userId": "ü&=#", "eventType": "LOGIN", "since": "2026-01-01T00:00:00+01:00"}
    first = await api.client.get(LIST, params={**parameters, "until": "2100-01-01T00:00:00.5Z"})
    second = await api.client.get(first.links["next"]["url"])
    stated = dict(second.request.url.params)
    del stated["cursor"]
    assert stated == {
        **parameters,
        "since": "2025-12-31T23:00:00.000Z",
        "until": "2100-01-01T00:00:00.500Z",
    }
    assert second.links["next"]["url"].count("cursor=") == 1
    assert [row["id"] for row in second.json()] == [str(UUID(int=2))]


@pytest.mark.parametrize("character", "a%é語😀\U0010ffff")
@pytest.mark.parametrize("length", [1, 100, 512])
async def test_link_is_short_for_any_user_id(api: Api, character: str, length: int) -> None:
    """Proxies reject long URLs. All pages belong to this user."""
    user_id = character * length
    put(api, 9, user_id="other", first=10)
    expected = put(api, 3, user_id=user_id)
    parameters = {"limit": "1", "userId": user_id, "eventType": "LOGIN", "since": NOON.isoformat()}
    response = await api.client.get(LIST, params={**parameters, "until": "2100-01-01T00:00:00.123456Z"})
    seen = response.json()
    while "link" in response.headers:
        assert len(response.headers["link"]) < 2_000
        response = await api.client.get(response.links["next"]["url"])
        seen += response.json()
    assert [row["id"] for row in seen] == [str(row.id) for row in expected]
    assert {row["user_id"] for row in seen} == {user_id}


async def test_cursor_rejects_other_user_id(api: Api) -> None:
    """The same user id is valid, for a client that copies the cursor from the link."""
    user_id = "語" * 400
    put(api, 3, user_id=user_id)
    first = await api.client.get(LIST, params={"limit": 1, "userId": user_id})
    cursor = httpx.URL(first.links["next"]["url"]).params["cursor"]
    same = await api.client.get(LIST, params={"userId": user_id, "cursor": cursor})
    assert [UUID(row["id"]).int for row in same.json()] == [2, 1]
    other = await api.client.get(LIST, params={"userId": "other", "cursor": cursor})
    assert [error["field"] for error in other.json()["errors"]] == ["cursor"]


async def test_cursor_of_older_release_is_valid(api: Api) -> None:
    """A client may have stored one, with time and id only."""
    put(api, 3)
    kept = urlsafe_b64encode(pack(">q16s", int(NOON.timestamp() + 2) * 10**6, UUID(int=3).bytes)).decode()
    response = await api.client.get(LIST, params={"cursor": kept, "userId": "user-1"})
    assert [UUID(row["id"]).int for row in response.json()] == [2, 1]


async def test_cursor_of_any_calendar_time_is_valid(api: Api) -> None:
    """From the first microsecond to the last."""
    for created_at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        rows = [StoredEvent(UUID(int=number), "u", "LOGIN", "{}", created_at, None) for number in (1, 2)]
        api.store.rows = {row.id: row for row in rows}
        first = await api.client.get(LIST, params=urlencode({"limit": 1}))
        second = await api.client.get(first.links["next"]["url"])
        assert [UUID(row["id"]).int for row in second.json()] == [1]
