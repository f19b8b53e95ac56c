"""Every request: its id, the limit on requests in flight, and errors."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api, an_api

BODY = b'{"userId":"u","eventType":"LOGIN"}'


@pytest.mark.parametrize("path", ["/", "/health", "/health/ready", "/events/x", "/events/processed", "/docs"])
async def test_request_needs_no_thread(api: Api, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Threads would be few, and switching to them would cost more than the response."""
    hops: list[object] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", lambda _, work: hops.append(work))
    await api.client.get(path)
    assert hops == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("GET", "/schema", 404),
        ("GET", "/nothing/%00/%C3%A9", 404),
        ("DELETE", "/events/processed", 405),
        ("GET", "/events/generate", 405),
        ("BREW", "/health", 405),
    ],
)
async def test_request_without_route_gets_problem_document(api: Api, method: str, path: str, status: int) -> None:
    """RFC 9457, as for every other error."""
    response = await api.client.request(method, path, headers={"x-request-id": "id-1"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "about:blank"
    assert (problem["status"], problem["instance"], problem["requestId"]) == (status, path, "id-1")
    assert problem["title"] != problem["detail"]
    assert ("allow" in response.headers) == (status == 405)


async def test_options_lists_the_methods(api: Api) -> None:
    """Without a body."""
    response = await api.client.options("/events/processed")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_error_response_to_head_has_no_body(api: Api) -> None:
    """With the same headers as for GET."""
    response = await api.client.head("/nothing")
    assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize("given", ["a", "!~" * 64])
async def test_clients_request_id_is_kept(api: Api, given: str) -> None:
    """The same id appears in the logs of all services."""
    response = await api.client.get("/health", headers={"x-request-id": given})
    assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", [b"", b"a b", b"a" * 129, b"\xe9", b"a\tb"])
async def test_invalid_request_id_is_replaced(api: Api, given: bytes) -> None:
    """It must not reach logs and headers."""
    response = await api.client.get("/health", headers={b"x-request-id": given})
    [made] = response.headers.get_list("x-request-id")
    assert len(made) == 32


async def test_request_over_limit_gets_503_but_health_succeeds() -> None:
    """The process reports that it is busy, and stays alive."""
    arrived, leave = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        arrived.set()
        await leave.wait()
        yield BODY

    async with an_api(max_in_flight=1) as api:
        headers = {"content-type": "application/json"}
        slow = asyncio.create_task(api.client.post("/events/generate", content=slow_body(), headers=headers))
        await arrived.wait()
        refused = await api.client.get("/events/processed")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "x-request-id" in refused.headers
        assert (await api.client.get("/health/ready")).status_code == 200
        leave.set()
        assert (await slow).status_code == 201
        assert (await api.client.get("/events/processed")).status_code == 200
