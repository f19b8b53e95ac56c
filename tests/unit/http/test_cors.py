"""Cross-origin requests (CORS), and beacons, whose JSON has the type `text/plain`."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.api import Api, an_api

PAGE, OTHER = "https://app.example.com", "https://other.example"
EXPOSED = {"Link", "Location", "Retry-After", "X-Request-ID"}
BODY = b'{"userId":"u","eventType":"LOGIN"}'
BEACON = "text/plain;charset=UTF-8"


@pytest.fixture
async def open_api() -> AsyncIterator[Api]:
    """An API that pages of two origins may use."""
    async with an_api(cors_origins=(PAGE, "http://localhost:8080"), max_in_flight=1) as made:
        yield made


@pytest.fixture
async def api_for_all() -> AsyncIterator[Api]:
    """An API that any page may use."""
    async with an_api(cors_origins=("*",)) as made:
        yield made


def words(answer: httpx.Response, name: str) -> set[str]:
    """The elements of a comma-separated header."""
    return {word.strip() for word in answer.headers.get(name, "").split(",")} - {""}


async def preflight(api: Api, origin: str, path: str = "/events/generate") -> httpx.Response:
    """Send the preflight that a browser sends before it posts JSON."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    return await api.client.options(path, headers={"origin": origin, **asked})


@pytest.mark.parametrize("path", ["/events/generate", "/events/batch", "/events/processed", "/nothing"])
async def test_preflight_of_allowed_origin_succeeds(open_api: Api, path: str) -> None:
    """For every path, even if no route has it; the request itself gets the 404."""
    answer = await preflight(open_api, PAGE, path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert words(answer, "access-control-allow-methods") == {"GET", "HEAD", "POST"}
    assert words(answer, "access-control-allow-headers") >= {"Content-Type", "Content-Encoding", "X-Request-ID"}
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "Origin" in words(answer, "vary")


@pytest.mark.parametrize(
    "origin", [OTHER, "null", f"{PAGE}.other.example", f"{PAGE}:444", "http://app.example.com", "*"]
)
async def test_preflight_of_other_origin_gets_no_permission(open_api: Api, origin: str) -> None:
    """The whole origin must match."""
    answer = await preflight(open_api, origin)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "Origin" in words(answer, "vary")


async def test_options_without_preflight_headers_lists_methods(open_api: Api) -> None:
    """The response is the usual one, and readable for the page."""
    answer = await open_api.client.options("/events/generate", headers={"origin": PAGE})
    assert (answer.headers["allow"], answer.headers["access-control-allow-origin"]) == ("OPTIONS, POST", PAGE)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/events/processed", 200), ("GET", "/nothing", 404), ("POST", "/events/generate", 415), ("PUT", "/", 405)],
)
async def test_every_response_is_readable_for_allowed_origin(
    open_api: Api, method: str, path: str, status: int
) -> None:
    """Pages show errors to their users."""
    answer = await open_api.client.request(method, path, headers={"origin": PAGE})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert words(answer, "access-control-expose-headers") == EXPOSED
    assert "Origin" in words(answer, "vary")


@pytest.mark.parametrize("headers", [{}, {"origin": OTHER}])
async def test_response_to_other_origin_varies_by_origin(open_api: Api, headers: dict[str, str]) -> None:
    """Otherwise a cache could give it to an allowed page."""
    answer = await open_api.client.get("/events/processed", headers=headers)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert words(answer, "vary") >= {"Accept", "Origin"}


async def test_busy_response_is_readable_for_allowed_origin(open_api: Api) -> None:
    """The middleware sends it before any route."""
    async with an_api(cors_origins=(PAGE,), max_in_flight=0) as busy:
        answer = await busy.client.get("/events/processed", headers={"origin": PAGE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (503, PAGE)


async def test_export_is_readable_for_allowed_origin(open_api: Api) -> None:
    """A stream as well."""
    answer = await open_api.client.get("/events/processed", headers={"origin": PAGE, "accept": "text/csv"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)


async def test_wildcard_allows_any_origin(api_for_all: Api) -> None:
    """The response is the same for all origins."""
    for headers in ({}, {"origin": OTHER}):
        answer = await api_for_all.client.get("/health", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "vary" not in answer.headers
    assert (await preflight(api_for_all, OTHER)).status_code == 204


@pytest.mark.parametrize("content_type", [BEACON, "text/plain", "Text/Plain ; charset=utf-8"])
async def test_beacon_of_allowed_origin_is_read_as_json(open_api: Api, content_type: str) -> None:
    """`navigator.sendBeacon` sends a string as text."""
    answer = await open_api.post(BODY, content_type, origin=PAGE)
    assert answer.status_code == 201
    batch = await open_api.post_batch(b"[%s]" % BODY, content_type, origin=PAGE)
    assert [result["status"] for result in batch.json()["results"]] == ["published"]


async def test_wildcard_allows_beacon_of_any_origin(api_for_all: Api) -> None:
    """If it has an origin."""
    assert (await api_for_all.post(BODY, BEACON, origin=OTHER)).status_code == 201
    assert (await api_for_all.post(BODY, BEACON)).status_code == 415


@pytest.mark.parametrize("origin", [{}, {"origin": OTHER}, {"origin": "null"}])
async def test_text_of_other_origins_gets_415(open_api: Api, origin: dict[str, str]) -> None:
    """A browser sends text without a preflight, so the api checks the origin."""
    assert (await open_api.post(BODY, BEACON, **origin)).status_code == 415
    assert open_api.log.records("events") == []


async def test_beacon_in_other_charset_gets_415(open_api: Api) -> None:
    """The same as JSON in another charset."""
    assert (await open_api.post(BODY, "text/plain;charset=latin1", origin=PAGE)).status_code == 415


async def test_no_configured_origins_means_no_cors_headers(api: Api) -> None:
    """By default pages of other origins can read nothing, and text is not JSON."""
    answer = await api.client.get("/events/processed", headers={"origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "Origin" not in words(answer, "vary")
    assert (await api.post(BODY, BEACON, origin=PAGE)).status_code == 415
    assert "access-control-allow-origin" not in (await preflight(api, PAGE)).headers
