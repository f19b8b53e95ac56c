"""Clients that close their side of the connection, or leave."""

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET

import pytest
from structlog.testing import capture_logs

from entrypoints.http.server.hardened_protocol import HardenedProtocol
from tests.support.api import TOPIC, Api
from tests.support.http_steps import EVENT, GET, POST, POST_HEADERS, Watched
from tests.support.server import connection, exchange, served
from tests.support.slow_log import SlowLog


async def test_incomplete_body_of_lost_client_publishes_nothing(api: Api) -> None:
    """Even if the part that arrived is valid JSON."""
    watched = Watched(api.app)
    async with served(watched) as port:
        async with connection(port) as (_, writer):
            writer.write(POST_HEADERS + b"Content-Length: 1000\r\n\r\n" + EVENT)
            await watched.received["http.request"].wait()
        await watched.finished.wait()
    assert api.log.records(TOPIC) == []


async def test_half_closed_client_gets_response(api: Api) -> None:
    """As with `nc -N`; the server then closes its side."""
    async with served(api.app) as port:
        for _ in range(20):
            async with connection(port) as (reader, writer):
                writer.write(GET)
                writer.write_eof()
                assert (await reader.read()).endswith(b'{"status":"UP"}')


async def test_half_closed_client_gets_response_after_slow_log(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the legacy service answers it."""
    ended = asyncio.Event()
    read_eof = HardenedProtocol.eof_received

    def eof_received(self: HardenedProtocol) -> bool:
        ended.set()
        return read_eof(self)

    monkeypatch.setattr(HardenedProtocol, "eof_received", eof_received)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST)
        writer.write_eof()
        await slow_log.asked.wait()
        await ended.wait()
        slow_log.answers.set()
        answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"\r\nconnection: close\r\n" in answer


async def test_half_closed_client_gets_all_pipelined_responses(api: Api, slow_log: SlowLog) -> None:
    """In the order of the requests."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST * 5)
        writer.write_eof()
        await slow_log.asked.wait()
        slow_log.answers.set()
        answers = await asyncio.wait_for(reader.read(), 10)
    assert answers.count(b"HTTP/1.1 201 ") == 5


async def test_half_close_within_request_ends_connection_silently(api: Api) -> None:
    """There is no response, and nothing is published."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST[:-1])
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert api.log.records(TOPIC) == []


async def test_client_reset_before_response_logs_no_error(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is stored, and the request has its usual log line."""
    left = asyncio.Event()
    lose = HardenedProtocol.connection_lost

    def connection_lost(self: HardenedProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        left.set()

    monkeypatch.setattr(HardenedProtocol, "connection_lost", connection_lost)
    watched = Watched(api.app)
    with capture_logs() as logged:
        async with served(watched) as port:
            async with connection(port) as (_, writer):
                writer.write(POST)
                await slow_log.asked.wait()
                # Without a reset it would only end its side, after which it may still read.
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                await asyncio.wait_for(left.wait(), 10)
            slow_log.answers.set()
            await asyncio.wait_for(watched.finished.wait(), 10)
            status, _ = await exchange(port, GET)
    assert status == 200
    assert [line for line in logged if line["log_level"] != "debug" and line["event"] != "request"] == []
