"""How long a connection may be idle between requests, by the event loop's clock."""

import asyncio
from collections.abc import Sequence

import pytest

from application.ports import Receipt
from domain.event import UserEvent
from entrypoints.http.server import deadlines
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from tests.support.api import Api
from tests.support.server import connection, read_head, served
from tests.support.time import LoopTime
from tests.support.waiting import PATIENCE

SECONDS = 6_000
"""So long that no time that a busy machine takes counts."""
GET = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
BODY = b'{"userId":"u","eventType":"LOGIN"}'
POST = (
    b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", 3 * SECONDS)


@pytest.fixture
async def time(monkeypatch: pytest.MonkeyPatch) -> LoopTime:
    """The clock that the server goes by."""
    return LoopTime(monkeypatch)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[bytes]:
    """What has come to the server, piece by piece."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    take = HardenedProtocol.data_received

    def note(protocol: HardenedProtocol, data: bytes) -> None:
        take(protocol, data)
        pieces.put_nowait(data)

    monkeypatch.setattr(HardenedProtocol, "data_received", note)
    return pieces


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one answer whole."""
    status, head = await read_head(reader)
    await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    return status


async def assert_ends(reader: asyncio.StreamReader, time: LoopTime, *, after: float) -> None:
    """See that the connection ends when it has been idle for so long, and not before."""
    await time.passes(0.9 * after)
    assert not reader.at_eof()
    await time.passes(0.1 * after)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""


@pytest.mark.parametrize("request_", [GET, POST], ids=["by the framework", "direct"])
async def test_idle_connection_is_ended(api: Api, time: LoopTime, request_: bytes) -> None:
    """Once the time has passed since the answer, and not before."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(request_)
        await answered(reader)
        await assert_ends(reader, time, after=SECONDS)


async def test_connection_in_use_lives_on(api: Api, time: LoopTime) -> None:
    """Each answer begins the time anew."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        for _ in range(4):
            writer.write(POST)
            assert await answered(reader) == 201
            await time.passes(SECONDS / 2)
        await assert_ends(reader, time, after=SECONDS / 2)


async def test_request_that_takes_long_is_answered(api: Api, time: LoopTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is served nothing comes, which is not the client's fault."""

    async def publish(events: Sequence[UserEvent], _trace: bytes | None = None) -> Sequence[Receipt]:
        await time.passes(3 * SECONDS)
        return [Receipt(0, 0) for _ in events]

    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(GET)
        assert await answered(reader) == 200
        monkeypatch.setattr(api.publisher, "publish", publish)
        writer.write(POST)
        assert await answered(reader) == 201
        await assert_ends(reader, time, after=SECONDS)


async def test_stray_empty_lines_do_not_prolong_idleness(
    api: Api, time: LoopTime, received: asyncio.Queue[bytes]
) -> None:
    """They may stand before a request, and are none."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(POST)
        assert await answered(reader) == 201
        await time.passes(SECONDS / 2)
        writer.write(b"\r\n\r")
        while await received.get() != b"\r\n\r":
            pass
        await assert_ends(reader, time, after=SECONDS / 2)


async def test_keep_alive_is_announced_a_second_short(api: Api) -> None:
    """The client gives up the connection first, and never sends a request into one that just ends."""
    async with served(api.app, keep_alive=75) as port, connection(port) as (reader, writer):
        writer.write(GET)
        _, head = await read_head(reader)
        assert "\r\nconnection: keep-alive\r\nkeep-alive: timeout=74\r\n" in head


@pytest.mark.parametrize("request_", [GET.replace(b"1.1", b"1.0"), GET.replace(b"Host", b"Connection: close\r\nHost")])
async def test_connection_that_ends_announces_no_keep_alive(api: Api, request_: bytes) -> None:
    """It says that it ends."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_)
        _, head = await read_head(reader)
        assert "keep-alive" not in head
        assert "\r\nconnection: close\r\n" in head


async def test_head_that_began_before_the_answer_has_its_own_time(api: Api, time: LoopTime) -> None:
    """The answer is that to the request before it."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(POST + GET[:10])
        assert await answered(reader) == 201
        await assert_is_late(reader, time)


async def test_head_that_has_begun_has_its_own_time(api: Api, time: LoopTime, received: asyncio.Queue[bytes]) -> None:
    """It is refused with an answer, and not before that time is over."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(GET)
        await answered(reader)
        writer.write(GET[:10])
        while await received.get() != GET[:10]:
            pass
        await assert_is_late(reader, time)


async def assert_is_late(reader: asyncio.StreamReader, time: LoopTime) -> None:
    """See that a head is waited for beyond the time of an idle connection, and not for ever."""
    late = asyncio.create_task(answered(reader))
    await time.passes(2 * SECONDS)
    assert not late.done()
    await time.passes(SECONDS)
    async with asyncio.timeout(PATIENCE):
        assert await late == 408
