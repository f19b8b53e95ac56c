"""`GET /audit-log`."""

import pytest

from application.dead_letters.orders import NewEntry
from domain.errors import Unavailable
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, an_api

LOG = "/audit-log"


async def put(api: Api, count: int = 1, *, who: str = "api", action: str = "discard") -> None:
    """Add entries."""
    for number in range(count):
        await api.audit_log.record(NewEntry(who, action, {"userId": "u"}, f"reason {number}"), {"letters": number})


async def test_entry_tells_who_did_what(api: Api) -> None:
    """And why, and to how many."""
    await put(api, who="cli:ann@host")
    [entry] = (await api.client.get(LOG)).json()
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "id": 1,
        "who": "cli:ann@host",
        "action": "discard",
        "filter": {"userId": "u"},
        "counts": {"letters": 0},
        "reason": "reason 0",
    }


async def test_entries_are_listed_newest_first(api: Api) -> None:
    """Page by page, with the filter in the link."""
    await put(api, 5, who="cli:ann@host")
    await put(api, 2, who="api")
    found, url = [], f"{LOG}?limit=2&who=cli:ann@host&action=discard"
    while url:
        response = await api.client.get(url)
        found += [entry["id"] for entry in response.json()]
        url = response.links.get("next", {}).get("url", "")
    assert found == [5, 4, 3, 2, 1]


async def test_filters_select_entries(api: Api) -> None:
    """By action and by person."""
    await put(api, who="api", action="edit")
    await put(api, who="auto", action="replay")
    assert [entry["id"] for entry in (await api.client.get(f"{LOG}?action=edit")).json()] == [1]
    assert [entry["id"] for entry in (await api.client.get(f"{LOG}?who=auto")).json()] == [2]
    assert [entry["id"] for entry in (await api.client.get(f"{LOG}?before=2")).json()] == [1]


async def test_link_begins_with_prefix() -> None:
    """As a client of the proxy sees it."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        await put(api)
        response = await api.client.get(f"{LOG}?limit=1")
    assert response.links["next"]["url"] == "/a/b/audit-log?limit=1&before=1"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "before=x", "before=-1", "before=" + "9" * 19, "who=%00", "action=", "user=a"]
)
async def test_invalid_parameter_gets_422(api: Api, query: str) -> None:
    """With its name."""
    response = await api.client.get(f"{LOG}?{query}")
    assert [error["field"] for error in response.json()["errors"]] == [query.partition("=")[0]]


async def test_outage_and_methods(api: Api) -> None:
    """As of the other routes; nobody can change an entry."""
    assert (await api.client.head(LOG)).status_code == 200
    assert (await api.client.options(LOG)).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await api.client.delete(LOG)).status_code == 405
    api.audit_log.outage = Unavailable("db.internal refused")
    assert (await api.client.get(LOG)).status_code == 503
