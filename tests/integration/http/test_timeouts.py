"""Time limits of requests and of clients that send nothing."""

import pytest

from entrypoints.http.server import deadlines
from entrypoints.http.server.deadlines import DISCARD_SECONDS, HEADERS_SECONDS
from entrypoints.http.server.hardened_protocol import MAX_PIPELINED
from tests.support.api import Api
from tests.support.http_steps import EVENT, GET, POST, POST_HEADERS, read_content, read_problem, read_to_end
from tests.support.server import connection, read_head, served
from tests.support.slow_log import SlowLog
from tests.support.time import LoopTime
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize(
    ("idle", "total", "detail"),
    [
        (0.05, 60, b"No part of the body arrived for 0.05 seconds"),
        (60, 0.05, b"did not arrive within 0.05 seconds"),
    ],
)
async def test_slow_body_gets_408_and_connection_closes(api: Api, idle: float, total: float, detail: bytes) -> None:
    """Both the pause between two pieces and the total time are limited."""
    async with served(api.app, content_idle=idle, content_total=total) as port, connection(port) as (reader, writer):
        writer.write(POST_HEADERS + b"Content-Length: 30\r\n\r\n" + EVENT[:5])
        status, head = await read_head(reader)
        assert status == 408
        assert "connection: close" in head
        body = await read_content(reader, head)
        assert detail in body


async def test_headers_time_starts_when_server_reads_again(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does not read while the pipeline is full."""
    time, seconds = LoopTime(monkeypatch), 100 * PATIENCE
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", seconds)
    get = b"GET /health HTTP/1.1\r\nHost: api\r\nConnection: %b\r\n\r\n"
    last = get % b"close"
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST + get % b"keep-alive" * MAX_PIPELINED + last[:10])
        await slow_log.asked.wait()
        await time.passes(1.6 * seconds)
        slow_log.answers.set()
        await read_head(reader)
        await time.passes(0.6 * seconds)
        writer.write(last[10:])
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 200 ") == MAX_PIPELINED + 1
    assert answers.endswith(b'{"status":"UP"}')


async def test_new_connection_without_request_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a response, unless a header section has begun."""
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", 0.05)
    async with served(api.app) as port, connection(port) as (reader, writer):
        assert await reader.read() == b""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\n")
        await read_problem(reader, 408)


async def test_headers_time_restarts_with_each_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A persistent connection is not closed for the time that earlier requests took."""
    time, seconds = LoopTime(monkeypatch), 6_000
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", seconds)
    async with served(api.app, keep_alive=seconds) as port, connection(port) as (reader, writer):
        for _ in range(5):
            writer.write(GET)
            status, _ = await read_head(reader)
            assert status == 200
            await reader.readexactly(len(b'{"status":"UP"}'))
            await time.passes(0.4 * seconds)


async def test_discarding_after_early_response_ends_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the client still sends."""
    time = LoopTime(monkeypatch)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST_HEADERS + b"Content-Length: 500000000\r\n\r\n")
        status, head = await read_head(reader)
        assert status == 413
        await read_content(reader, head)
        writer.write(b" " * 1000)
        await time.passes(0.9 * DISCARD_SECONDS)
        assert not reader.at_eof()
        await time.passes(0.1 * DISCARD_SECONDS + 2)
        assert await read_to_end(reader) == b""


async def test_incomplete_headers_get_408(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the responses to earlier requests."""
    time = LoopTime(monkeypatch)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(GET + GET[:9])
        await read_head(reader)
        await time.passes(HEADERS_SECONDS + 2)
        assert b"HTTP/1.1 408 " in await read_to_end(reader)


async def test_client_that_waits_for_100_is_not_late(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the 100 after the response to the request before."""
    time = LoopTime(monkeypatch)
    head, end, body = POST.replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    async with served(api.app, content_idle=10) as port, connection(port) as (reader, writer):
        writer.write(POST + head + end)
        await slow_log.asked.wait()
        await time.passes(15)
        await time.passes(15)
        slow_log.answers.set()
        assert (await read_head(reader))[0] == 201
        await reader.readuntil(b"}")
        assert (await read_head(reader))[0] == 100
        writer.write(body)
        assert (await read_head(reader))[0] == 201
