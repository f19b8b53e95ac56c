"""Finished requests and connections are freed at once, without the garbage collector."""

import asyncio
from collections.abc import Sequence

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from application.listing import Page
from application.ports import Receipt
from domain.errors import Unavailable
from domain.validation import Invalid
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from tests.support.api import Api
from tests.support.http_steps import (
    CHUNKED_POST,
    EVENT,
    GET,
    LAST_GET,
    POST,
    POST_HEADERS,
    Watched,
    no_garbage_collection,
    read_content,
    until,
)
from tests.support.server import connection, exchange, read_head, served
from tests.support.slow_log import SlowLog


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (POST_HEADERS + b"Content-Length: %d\r\n\r\n" % len(EVENT), EVENT),
        (POST_HEADERS.replace(b"generate", b"generate/") + b"Content-Length: %d\r\n\r\n" % len(EVENT), EVENT),
        (b"GET /events/processed HTTP/1.1\r\nHost: api\r\nContent-Length: 4\r\n\r\n", b"none"),
        (GET, b""),
    ],
    ids=["direct", "framework", "body-of-a-get", "get"],
)
@pytest.mark.parametrize("comes_whole", [True, False])
async def test_answered_request_leaves_no_cyclic_garbage(
    api: Api, monkeypatch: pytest.MonkeyPatch, head: bytes, body: bytes, *, comes_whole: bool
) -> None:
    """The garbage collector runs so rarely that a busy server would keep hundreds of megabytes."""
    watched, body_came = Watched(api.app), asyncio.Event()
    read = HardenedProtocol.data_received

    def data_received(self: HardenedProtocol, data: bytes) -> None:
        read(self, data)
        if not self.cycle.more_body:
            body_came.set()

    async def page(*_: object) -> Page:
        await body_came.wait()
        return Page((), None)

    monkeypatch.setattr(HardenedProtocol, "data_received", data_received)
    monkeypatch.setattr(api.store, "page", page)
    with no_garbage_collection() as living:
        async with served(watched) as port, connection(port) as (reader, writer):
            for _ in range(20):
                body_came.clear()
                writer.write(head + (body if comes_whole else b""))
                if not comes_whole:
                    await watched.begun.wait()
                    writer.write(body)
                _, answer = await read_head(reader)
                await read_content(reader, answer)
                watched.begun.clear()
            assert len(living(RequestResponseCycle)) <= 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST.replace(b"/events/generate", b"/nothing"), 404),
        (POST.replace(b"LOGIN", b"LOGON"), 422),
        (POST_HEADERS.replace(b"generate", b"batch") + b"Content-Length: 4\r\n\r\n[{}]", 200),
        (POST.replace(b"}", b","), 400),
        (POST.replace(b"application/json", b"text/plain"), 415),
        (b"nonsense\r\n\r\n", 400),
        (b"GET nonsense HTTP/1.1\r\n\r\n", 400),
    ],
    ids=["no-route", "invalid", "invalid-item", "no-json", "wrong-type", "no-http", "no-target"],
)
async def test_closed_connection_leaves_no_cyclic_garbage(api: Api, request_: bytes, status: int) -> None:
    """Otherwise unread content of its last request would stay in memory, too."""
    with no_garbage_collection() as living:
        async with served(api.app) as port:
            for _ in range(5):
                assert (await exchange(port, request_))[0] == status
        assert living(HardenedProtocol) == []
        assert living(Invalid) == []


async def test_failed_publish_leaves_no_cyclic_garbage(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may send many events while the log is unavailable."""

    async def publish(_: object, _trace: bytes | None = None) -> Sequence[Receipt]:
        raise Unavailable("the log is away")

    monkeypatch.setattr(api.publisher, "publish", publish)
    with no_garbage_collection() as living:
        others = living(Unavailable)
        async with served(api.app) as port:
            for _ in range(5):
                assert (await exchange(port, POST))[0] == 503
        assert living(HardenedProtocol) == []
        assert len(living(Unavailable)) == len(others)


@pytest.mark.parametrize("behind", [GET * 5, POST[:-1], CHUNKED_POST + b"100000\r\n" + b" " * 100_000, b"nonsense\r\n"])
async def test_lost_connection_releases_pipelined_requests(
    api: Api, slow_log: SlowLog, protocols: list[HardenedProtocol], behind: bytes
) -> None:
    """At once; the garbage collector could leave hundreds of megabytes for a while."""
    with no_garbage_collection() as living:
        async with served(api.app) as port:
            async with connection(port) as (_, writer):
                writer.write(POST + behind)
                await slow_log.asked.wait()
                await until(lambda: bool(protocols[0].pipeline))
                writer.transport.abort()
            slow_log.answers.set()
            await exchange(port, LAST_GET)
            protocols.clear()
        assert living(RequestResponseCycle) == []
        assert living(HardenedProtocol) == []
