"""One spelling of each path, and the root."""

import pytest
from structlog.testing import capture_logs

from tests.support.api import Api, call

PATHS = [
    "/events/generate",
    "/events/batch",
    "/events/processed",
    "/health",
    "/health/ready",
    "/docs/openapi.json",
    "/event-types/LOGIN",
]
METHODS = ["GET", "HEAD", "POST", "OPTIONS", "DELETE"]


def spellings(path: str) -> list[str]:
    """Other spellings of a path, which some servers and proxies treat as equal."""
    first, _, last = path[1:].rpartition("/")
    return [
        f"/{path}",
        path.replace("/", "//"),
        f"{path}//",
        f"/.{path}",
        f"/x/..{path}",
        f"{path}/.",
        f"{path}/x/..",
        f"{path};v=1",
        f"{path};",
        f"{path}%20",
        f"{path}%00",
        f"{path}%2F",
        f"/{first}%2F{last}",
        f"/{first}%2f{last}",
        f"/{first}\\{last}",
        f"/{first}/%{ord(last[0]):02x}{last[1:]}",
        f"/{first}/%25{ord(last[0]):02x}{last[1:]}",
        f"/%2e{path}",
        f"/x/%2e%2E{path}",
        path.upper(),
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("path", "other"), [(path, other) for path in PATHS for other in spellings(path)])
async def test_other_spelling_of_path_gets_404(api: Api, method: str, path: str, other: str) -> None:
    """Otherwise a client could bypass a rule of a proxy."""
    assert (await call(api.app, method, path)).status != 404
    assert (await call(api.app, method, other)).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
async def test_get_with_trailing_slash_is_redirected(api: Api, method: str, path: str) -> None:
    """With the query string; the response contains no host or prefix."""
    answer = await api.client.request(method, f"{path}/?limit=1&since=%20")
    assert answer.status_code == 308
    assert answer.next_request is not None
    assert str(answer.next_request.url) == f"http://api{path}?limit=1&since=%20"
    assert answer.headers["location"].startswith("../")


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("path", PATHS)
async def test_post_with_trailing_slash_gets_404(api: Api, method: str, path: str) -> None:
    """A redirect would make the client send its body twice."""
    assert (await call(api.app, method, f"{path}/")).status == 404


@pytest.mark.parametrize("path", ["//other.example/", "//", "/;/", "/%2F/", "/../"])
async def test_no_redirect_leads_to_another_host(api: Api, path: str) -> None:
    """A redirect to `//other.example` would."""
    assert (await call(api.app, "GET", path)).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("colon", ["%3A", "%3a"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_encoded_colon_is_redirected(api: Api, method: str, colon: str, slash: str) -> None:
    """Clients in JavaScript and Python encode it; a relative reference must not begin with `shop:`."""
    answer = await api.client.request(method, f"/event-types/shop{colon}order{slash}")
    assert answer.status_code == 308
    assert answer.next_request is not None
    assert str(answer.next_request.url) == "http://api/event-types/shop:order"


@pytest.mark.parametrize("path", ["/a%3Ab/c", "/a%3ab/c:d", "/a%3Ab/c%3Ad/", "/a%3Ab/"])
async def test_redirect_leads_on(api: Api, path: str) -> None:
    """A relative one replaces the last segment: with a colon before that one it would lead to itself, forever."""
    answer = await api.client.get(path)
    assert answer.status_code == (308 if path == "/a%3Ab/" else 404)
    assert answer.headers.get("location") == ("../a:b" if path == "/a%3Ab/" else None)


async def test_misspelt_health_path_is_logged_at_info(api: Api) -> None:
    """Otherwise it would bypass the log and the limit on requests in flight."""
    with capture_logs() as lines:
        await call(api.app, "GET", "/%68ealth")
    assert [(line["path"], line["log_level"]) for line in lines] == [("/%68ealth", "info")]


async def test_root_links_to_all_resources(api: Api) -> None:
    """As JSON for programs."""
    answer = await api.client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["vary"] == "Accept"
    for link in answer.json()["links"].values():
        assert (await api.client.get(f"/{link}")).status_code == 200


async def test_root_is_html_for_browsers(api: Api) -> None:
    """With the same relative links."""
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    answer = await api.client.get("/", headers={"accept": browser})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for link in (await api.client.get("/")).json()["links"].values():
        assert f'<a href="{link}">' in answer.text


async def test_options_of_root_lists_its_methods(api: Api) -> None:
    """As a load balancer may ask."""
    answer = await api.client.options("/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_options_asterisk_lists_methods_of_all_paths(api: Api) -> None:
    """Only OPTIONS has the asterisk form."""
    assert (await call(api.app, "OPTIONS", "*")).status == 204
    assert (await call(api.app, "GET", "*")).status == 404
