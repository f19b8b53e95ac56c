"""Who may change dead letters and read the audit log."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from entrypoints.http.prefix import Prefix
from tests.support.api import Api, a_client, an_api
from tests.unit.http.dead_letters.letters import MENDED, put

PROXY = "10.1.2.3"
JOB = f"/dead-letters/replays/{UUID(int=5)}"
ADMINISTRATIVE = [
    ("POST", "/dead-letters/replays"),
    ("POST", "/dead-letters/discard"),
    ("POST", "/dead-letters/restore"),
    ("POST", f"{JOB}/pause"),
    ("POST", f"{JOB}/resume"),
    ("POST", f"{JOB}/cancel"),
    ("PUT", "/dead-letters/0-1/value?reason=a"),
    ("GET", "/audit-log"),
    ("HEAD", "/audit-log"),
]
READING = ["", "/groups", "/export", "/0-1", "/0-1/value", "/replays"]


@pytest.fixture
async def closed_api() -> AsyncIterator[Api]:
    """An API as it is unless `ADMIN_OPEN` is set, behind a proxy on the same machine and another one."""
    async with an_api(admin_open=False, prefix=Prefix(trusted_proxies=f"{PROXY},127.0.0.9")) as made:
        await put(made)
        yield made


async def ask(
    api: Api, method: str, path: str, *, peer: str = "127.0.0.1", host: str = "localhost:3000", **headers: str
) -> httpx.Response:
    """Send a request as one client would."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = MENDED if method == "PUT" else b'{"ids":["0-1"],"reason":"a"}' if method == "POST" else b""
    async with a_client(api.app, peer, host) as client:
        return await client.request(
            method, path, content=content, headers={"content-type": "application/json", **names}
        )


@pytest.mark.parametrize(("method", "path"), ADMINISTRATIVE)
@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("127.0.0.1", "localhost:3000"),
        ("127.8.8.8", "127.0.0.1"),
        ("::1", "[::1]:3000"),
        ("::ffff:127.0.0.1", "LocalHost"),
    ],
)
async def test_local_clients_may(closed_api: Api, method: str, path: str, peer: str, host: str) -> None:
    """By any name of this machine."""
    assert (await ask(closed_api, method, path, peer=peer, host=host)).status_code != 403


@pytest.mark.parametrize(("method", "path"), ADMINISTRATIVE)
@pytest.mark.parametrize("peer", [PROXY, "192.168.0.7", "2001:db8::1", "::ffff:10.0.0.1", "127.0.0.9", "", "unix:"])
async def test_others_may_not(closed_api: Api, method: str, path: str, peer: str) -> None:
    """Neither may those behind a trusted proxy; the problem names the setting."""
    response = await ask(closed_api, method, path, peer=peer)
    assert response.status_code == 403
    assert method == "HEAD" or "ADMIN_OPEN=true" in response.json()["detail"]


@pytest.mark.parametrize(("method", "path"), ADMINISTRATIVE)
@pytest.mark.parametrize(
    "name",
    [
        "x_forwarded_for",
        "x_forwarded_host",
        "x_forwarded_proto",
        "x_forwarded",
        "forwarded",
        "via",
        "x_real_ip",
        "x_client_ip",
        "true_client_ip",
        "cf_connecting_ip",
    ],
)
async def test_forwarded_request_is_not_local(closed_api: Api, method: str, path: str, name: str) -> None:
    """A proxy on this machine need not be among `TRUSTED_PROXIES`."""
    assert (await ask(closed_api, method, path, **{name: "127.0.0.1"})).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:3000"]
)
async def test_other_name_of_this_machine_is_not_local(closed_api: Api, host: str) -> None:
    """A page can have a name of its own lead here."""
    for method, path in ADMINISTRATIVE:
        assert (await ask(closed_api, method, path, host=host)).status_code == 403


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://localhost:3000"},
    ],
)
async def test_pages_of_other_origins_may_not(headers: dict[str, str], is_open: bool) -> None:
    """Whatever `ADMIN_OPEN` and `CORS_ORIGINS` say: a page must not act with the rights of its reader's machine."""
    async with an_api(admin_open=is_open, cors_origins=("*",)) as api:
        for method, path in ADMINISTRATIVE:
            assert (await ask(api, method, path, **headers)).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"origin": "http://localhost:3000"}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}]
)
async def test_pages_of_this_service_may(closed_api: Api, headers: dict[str, str]) -> None:
    """Such as a console on the same port."""
    for method, path in ADMINISTRATIVE:
        assert (await ask(closed_api, method, path, **headers)).status_code != 403


async def test_open_administration_lets_in_all() -> None:
    """Who they are is for a proxy to check."""
    async with an_api(admin_open=True, prefix=Prefix(trusted_proxies=PROXY)) as api:
        for method, path in ADMINISTRATIVE:
            response = await ask(api, method, path, peer=PROXY, host="api.example.com", x_forwarded_for="192.0.2.1")
            assert response.status_code != 403


@pytest.mark.parametrize("path", READING)
async def test_everybody_may_look(closed_api: Api, path: str) -> None:
    """As at events; which methods a path has is no secret."""
    assert (await ask(closed_api, "GET", f"/dead-letters{path}", peer=PROXY)).status_code == 200
    assert (await ask(closed_api, "OPTIONS", f"/dead-letters{path}", peer=PROXY)).status_code == 204
    assert (await ask(closed_api, "OPTIONS", "/audit-log", peer=PROXY)).status_code == 204
