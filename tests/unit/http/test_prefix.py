"""Links behind a proxy that removes a path prefix."""

import pytest

from application.listing import StoredEvent
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, a_client, an_api
from tests.support.events import NOON, an_event, delivered

EVENT = {"userId": "u", "eventType": "LOGIN"}
PROXIES = "10.1.2.3, 192.168.0.0/16,2001:db8::/32"


async def paths(api: Api, peer: str = "10.1.2.3", **headers: str) -> tuple[str, str]:
    """Post an event and list two; return the paths of `Location` and `Link`, without id and query."""
    await api.store.add(delivered(an_event(), an_event()))
    async with a_client(api.app, peer) as client:
        posted = await client.post("/events/generate", json=EVENT, headers=headers)
        listed = await client.get("/events/processed?limit=1", headers=headers)
    location, _, event_id = posted.headers["location"].rpartition("/")
    assert event_id == posted.json()["eventId"]
    return location, listed.links["next"]["url"].partition("?")[0]


async def test_links_have_no_prefix_by_default(api: Api) -> None:
    """The header is ignored."""
    headers = {"x-forwarded-prefix": "/evil"}
    assert await paths(api) == await paths(api, **headers) == ("/events", "/events/processed")


async def test_links_begin_with_root_path() -> None:
    """The setting applies to all clients."""
    async with an_api(prefix=Prefix("/a/b")) as api:
        assert await paths(api) == ("/a/b/events", "/a/b/events/processed")


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "192.168.7.8", "2001:db8::7"])
async def test_prefix_of_trusted_proxy_is_used(peer: str) -> None:
    """Instead of the configured one."""
    async with an_api(prefix=Prefix("/set", PROXIES)) as api:
        headers = {"x-forwarded-prefix": "/api/v1/"}
        assert await paths(api, peer, **headers) == ("/api/v1/events", "/api/v1/events/processed")
        assert (await paths(api, peer))[0] == "/set/events"


@pytest.mark.parametrize("peer", ["10.1.2.4", "2001:db9::7", "", "a path of a socket"])
async def test_prefix_of_untrusted_client_is_ignored(peer: str) -> None:
    """A client must not choose where links lead."""
    async with an_api(prefix=Prefix("/set", PROXIES)) as api:
        headers = {"x-forwarded-prefix": "/evil"}
        assert await paths(api, peer, **headers) == ("/set/events", "/set/events/processed")


@pytest.mark.parametrize(
    ("stated", "prefix"),
    [
        ("/a", "/a"),
        ("/", ""),
        ("/outer, /inner", "/outer/inner"),
        ("/outer/,/", "/outer"),
        ("//evil.example", "/set"),
        ("https://evil.example", "/set"),
        ("api", "/set"),
        ('/a>; rel="evil"', "/set"),
        ("/\xe4", "/set"),
        ("/" + "a" * 128, "/set"),
        ("", "/set"),
    ],
)
async def test_invalid_prefix_is_ignored(stated: str, prefix: str) -> None:
    """Proxies in a chain append their prefixes; an invalid one is ignored."""
    async with an_api(prefix=Prefix("/set", PROXIES)) as api:
        async with a_client(api.app, "10.1.2.3") as client:
            posted = await client.post(
                "/events/generate", json=EVENT, headers=[(b"x-forwarded-prefix", stated.encode("latin-1"))]
            )
        assert posted.headers["location"] == f"{prefix}/events/{posted.json()['eventId']}"


async def test_longest_link_is_below_2_kib() -> None:
    """With the longest prefix, user and times."""
    async with an_api(prefix=Prefix("/" + "a" * 127)) as api:
        user_id = "\U0010ffff" * 512
        for event in (an_event(user_id), an_event(user_id)):
            api.store.rows[event.id] = StoredEvent(event.id, user_id, "PRODUCT_VIEW", "{}", NOON, None)
        times = {"since": "2026-01-01T00:00:00.123456Z", "until": "2099-01-01T00:00:00.123456Z"}
        parameters = {"userId": user_id, "eventType": "PRODUCT_VIEW", "limit": "1", **times}
        listed = await api.client.get("/events/processed", params=parameters)
        assert len(listed.headers["link"]) < 2_045
