"""The log line of a request."""

from collections.abc import Sequence

import pytest
import structlog
from litestar.types import Receive, Scope, Send
from structlog.testing import capture_logs

from application.ports import Receipt
from domain.errors import Rejected, Unavailable
from domain.event import UserEvent
from entrypoints.http.middleware import RequestMiddleware
from entrypoints.http.responses import HttpResponse
from tests.support.api import Api, an_api, call

BODY = b'{"userId":"u","eventType":"LOGIN"}'


async def test_log_lines_within_request_have_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines after the request do not have it."""
    bound: list[object] = []

    async def publish(
        events: Sequence[UserEvent], _trace: bytes | None = None
    ) -> Sequence[Receipt | Rejected | Unavailable]:
        bound.append(structlog.contextvars.get_contextvars().get("request_id"))
        return [Receipt(0, 0) for _ in events]

    monkeypatch.setattr(api.publisher, "publish", publish)
    headers = {"x-request-id": "id-1", "content-type": "application/json"}
    await api.client.post("/events/generate", content=BODY, headers=headers)
    assert bound == ["id-1"]
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_request_is_logged_once_without_query_and_body(api: Api) -> None:
    """Both may contain personal data."""
    with capture_logs() as lines:
        responses = [await api.client.get(path) for path in ("/events/processed?userId=jane", "/nothing%0A")]
    for line, response in zip(lines, responses, strict=True):
        assert line.pop("request_id") == response.headers["x-request-id"]
        assert line.pop("duration_ms") >= 0
        # An enumeration is equal to its number, and printed otherwise.
        assert type(line["status"]) is int
    assert lines == [
        {"event": "request", "log_level": "info", "method": "GET", "path": "/events/processed", "status": 200},
        {
            "event": "request",
            "log_level": "info",
            "method": "GET",
            "path": "/nothing%0A",
            "status": 404,
            "reason": "There is nothing at this path.",
        },
    ]


@pytest.mark.parametrize(
    ("request_", "status", "reason", "fields"),
    [
        (
            ("GET", "/events/processed?limit=x&userId=&limit=2", b""),
            422,
            "The request is not valid",
            ["limit", "userId"],
        ),
        (("GET", "/events/processed/", b""), 308, "This path has no slash at its end.", None),
        (("DELETE", "/events/processed", b""), 405, "This path does not support this method.", None),
        (("POST", "/events/generate", b'{"userId":""}'), 422, "The request is not valid", ["userId", "eventType"]),
        (("POST", "/events/generate", b"{"), 400, "The body cannot be read", None),
        (("POST", "/events/batch", b"{}"), 400, "The body cannot be read", None),
        (("POST", "/events/generate", b" " * 30_000), 413, "The body must not be larger than", None),
        (("GET", "/health?verbose=1", b""), 422, "The request is not valid", ["verbose"]),
    ],
)
async def test_log_line_of_rejected_request_has_reason(
    api: Api, request_: tuple[str, str, bytes], status: int, reason: str, fields: list[str] | None
) -> None:
    """With the names of the invalid fields, so that nobody has to ask the client."""
    method, path, body = request_
    headers = {"content-type": "application/json"}
    with capture_logs() as lines:
        await api.client.request(method, path, content=body, headers=headers)
    [line] = lines
    assert line["event"] == "request"
    assert (line["status"], line["log_level"]) == (status, "info")
    assert sorted(line.get("fields", [])) == sorted(fields or [])
    assert line["reason"].startswith(reason)


async def test_log_line_of_rejected_request_is_bounded(api: Api) -> None:
    """The client chooses the names of parameters."""
    query = "&".join(f"{number}{'x' * 80}" for number in range(500))
    with capture_logs() as lines:
        await api.client.get(f"/events/processed?{query}")
    [line] = lines
    assert line["status"] == 422
    assert len(str(line)) < 2_000


async def test_log_line_of_busy_response_has_reason() -> None:
    """It is not an outage of the log."""
    async with an_api(max_in_flight=0) as api:
        with capture_logs() as lines:
            await api.client.get("/events/processed")
    assert [(line["status"], line["reason"]) for line in lines] == [(503, "Too many requests are in flight.")]


async def test_log_line_has_outcome_of_route() -> None:
    """The 200 of a batch does not show the results of its events."""

    async def batch(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["outcome"] = {"published": 2, "rejected": 1, "retry": 0}
        await HttpResponse(200, b"{}")(scope, receive, send)

    with capture_logs() as lines:
        await call(RequestMiddleware(batch, batch, max_in_flight=1), "POST", "/events/batch")
    assert [line["outcome"] for line in lines] == [{"published": 2, "rejected": 1, "retry": 0}]


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_health_check_is_logged_at_debug(api: Api, path: str) -> None:
    """There is one every few seconds."""
    with capture_logs() as lines:
        await api.client.get(path)
    assert [line["log_level"] for line in lines] == ["debug"]


async def test_bug_is_logged_with_its_exception(api: Api) -> None:
    """The response does not contain it."""
    api.store.outage = error = KeyError("bug")
    with capture_logs() as lines:
        await api.client.get("/events/processed")
    assert [(line["event"], line.get("exc_info")) for line in lines] == [("unexpected error", error), ("request", None)]
