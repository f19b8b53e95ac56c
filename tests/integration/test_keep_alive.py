"""How long a connection may be idle between requests: time itself is what passes here, nothing to be awaited."""

import asyncio
from collections.abc import Sequence

import pytest

from application.ports import Receipt
from domain.event import UserEvent
from entrypoints import http_protocol, server
from tests.support.api import Api
from tests.support.server import connection, read_head, served

SECONDS = 0.2
GET = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
BODY = b'{"userId":"u","eventType":"LOGIN"}'
POST = (
    b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", SECONDS)


def now() -> float:
    return asyncio.get_running_loop().time()


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one answer whole."""
    status, head = await read_head(reader)
    await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    return status


@pytest.mark.parametrize("request_", [GET, POST], ids=["by the framework", "direct"])
async def test_idle_connection_is_ended(api: Api, request_: bytes) -> None:
    """Once the time has passed since the answer, and not before."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_)
        await answered(reader)
        since = now()
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert now() - since >= SECONDS * 0.9


async def test_connection_in_use_lives_on(api: Api) -> None:
    """Each answer begins the time anew."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        end = now() + 4 * SECONDS
        while now() < end:
            writer.write(POST)
            assert await answered(reader) == 201
            await asyncio.sleep(SECONDS / 4)
        since = now()
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert now() - since >= SECONDS / 2


async def test_request_that_takes_long_is_answered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is served nothing comes, which is not the client's fault."""

    async def publish(events: Sequence[UserEvent]) -> Sequence[Receipt]:
        await asyncio.sleep(3 * SECONDS)
        return [Receipt(0, 0) for _ in events]

    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(GET)
        assert await answered(reader) == 200
        monkeypatch.setattr(api.publisher, "publish", publish)
        writer.write(POST)
        assert await answered(reader) == 201
        assert await asyncio.wait_for(reader.read(), 10) == b""


@pytest.mark.parametrize(
    ("request_", "status", "stray"),
    [
        (POST, 201, b"\r\n"),
        (POST.replace(b"Content-Length: ", b"Content-Length: 999"), 413, b" "),
    ],
    ids=["an empty line", "the rest of a body that was refused"],
)
async def test_stray_bytes_are_no_request(api: Api, request_: bytes, status: int, stray: bytes) -> None:
    """They begin the time anew, no more."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_)
        assert await answered(reader) == status
        await asyncio.sleep(SECONDS / 2)
        writer.write(stray)
        since = now()
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert now() - since >= SECONDS * 0.9


async def test_head_that_began_before_the_answer_has_its_own_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is that to the request before it."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 3 * SECONDS)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST + GET[:10])
        assert await answered(reader) == 201
        since = now()
        assert await answered(reader) == 408
        assert now() - since >= 2 * SECONDS


async def test_head_that_has_begun_has_its_own_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with an answer, and not before that time is over."""
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 3 * SECONDS)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(GET)
        await answered(reader)
        writer.write(GET[:10])
        since = now()
        assert await answered(reader) == 408
        assert now() - since >= 2 * SECONDS
