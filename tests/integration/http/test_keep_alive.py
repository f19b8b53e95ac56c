"""Idle connections are closed after the keep-alive time."""

import asyncio
from collections.abc import Sequence

import pytest

from application.ports import Receipt
from domain.event import UserEvent
from entrypoints.http.server import deadlines
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from tests.support.api import Api
from tests.support.http_steps import GET, LAST_GET, POST, read_content
from tests.support.server import connection, read_head, served
from tests.support.time import LoopTime
from tests.support.waiting import PATIENCE

SECONDS = 6_000
"""Long enough that the real time of a test does not matter."""


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", 3 * SECONDS)


@pytest.fixture
async def time(monkeypatch: pytest.MonkeyPatch) -> LoopTime:
    """The server's clock."""
    return LoopTime(monkeypatch)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[bytes]:
    """The pieces that the server has received."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    take = HardenedProtocol.data_received

    def note(protocol: HardenedProtocol, data: bytes) -> None:
        take(protocol, data)
        pieces.put_nowait(data)

    monkeypatch.setattr(HardenedProtocol, "data_received", note)
    return pieces


async def response_status(reader: asyncio.StreamReader) -> int:
    """Read a complete response."""
    status, head = await read_head(reader)
    await read_content(reader, head)
    return status


async def assert_ends(reader: asyncio.StreamReader, time: LoopTime, *, after: float) -> None:
    """Check that the connection closes after so many idle seconds, and not before."""
    await time.passes(0.9 * after)
    assert not reader.at_eof()
    await time.passes(0.1 * after)
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""


@pytest.mark.parametrize("request_", [GET, POST], ids=["by the framework", "direct"])
async def test_idle_connection_closes_after_keep_alive_time(api: Api, time: LoopTime, request_: bytes) -> None:
    """The time starts with the response."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(request_)
        await response_status(reader)
        await assert_ends(reader, time, after=SECONDS)


async def test_connection_in_use_stays_open(api: Api, time: LoopTime) -> None:
    """Each response restarts the time."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        for _ in range(4):
            writer.write(POST)
            assert await response_status(reader) == 201
            await time.passes(SECONDS / 2)
        await assert_ends(reader, time, after=SECONDS / 2)


async def test_slow_request_does_not_count_as_idle(api: Api, time: LoopTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sends nothing while it waits for the response."""

    async def publish(events: Sequence[UserEvent], _trace: bytes | None = None) -> Sequence[Receipt]:
        await time.passes(3 * SECONDS)
        return [Receipt(0, 0) for _ in events]

    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(GET)
        assert await response_status(reader) == 200
        monkeypatch.setattr(api.publisher, "publish", publish)
        writer.write(POST)
        assert await response_status(reader) == 201
        await assert_ends(reader, time, after=SECONDS)


async def test_empty_lines_do_not_restart_keep_alive_time(
    api: Api, time: LoopTime, received: asyncio.Queue[bytes]
) -> None:
    """They may precede a request, but do not begin one."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(POST)
        assert await response_status(reader) == 201
        await time.passes(SECONDS / 2)
        writer.write(b"\r\n\r")
        while await received.get() != b"\r\n\r":
            pass
        await assert_ends(reader, time, after=SECONDS / 2)


async def test_announced_keep_alive_is_one_second_shorter(api: Api) -> None:
    """The client stops using the connection first, and never sends a request into one that just closes."""
    async with served(api.app, keep_alive=75) as port, connection(port) as (reader, writer):
        writer.write(GET)
        _, head = await read_head(reader)
        assert "\r\nconnection: keep-alive\r\nkeep-alive: timeout=74\r\n" in head


@pytest.mark.parametrize("request_", [GET.replace(b"1.1", b"1.0"), LAST_GET])
async def test_closing_response_announces_no_keep_alive(api: Api, request_: bytes) -> None:
    """It says `Connection: close`."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_)
        _, head = await read_head(reader)
        assert "keep-alive" not in head
        assert "\r\nconnection: close\r\n" in head


async def test_headers_begun_before_response_have_own_time(api: Api, time: LoopTime) -> None:
    """The response is that to the request before."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(POST + GET[:10])
        assert await response_status(reader) == 201
        await assert_is_late(reader, time)


async def test_begun_headers_have_own_time(api: Api, time: LoopTime, received: asyncio.Queue[bytes]) -> None:
    """They get a 408, and not before that time is over."""
    async with served(api.app, keep_alive=SECONDS) as port, connection(port) as (reader, writer):
        writer.write(GET)
        await response_status(reader)
        writer.write(GET[:10])
        while await received.get() != GET[:10]:
            pass
        await assert_is_late(reader, time)


async def assert_is_late(reader: asyncio.StreamReader, time: LoopTime) -> None:
    """Check that the server waits for headers longer than for a request, but not forever."""
    late = asyncio.create_task(response_status(reader))
    await time.passes(2 * SECONDS)
    assert not late.done()
    await time.passes(SECONDS)
    async with asyncio.timeout(PATIENCE):
        assert await late == 408
