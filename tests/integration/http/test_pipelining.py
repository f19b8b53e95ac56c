"""Several requests on one connection are answered in order."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

import pytest

from application.ports import Receipt
from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.hardened_protocol import MAX_PIPELINED, HardenedProtocol
from tests.support.api import TOPIC, Api
from tests.support.http_steps import (
    CHUNKED_POST,
    EVENT,
    GET,
    LAST_GET,
    POST,
    POST_HEADERS,
    read_content,
    read_problem,
    read_to_end,
    statuses,
    until,
)
from tests.support.server import connection, read_head, served
from tests.support.slow_log import SlowLog


async def test_trace_does_not_leak_into_next_request(api: Api) -> None:
    """Both arrive at once, and the second starts while the first is being answered."""
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    length = b"Content-Length: %d\r\n" % len(EVENT)
    first = POST_HEADERS + b"Traceparent: " + trace + b"\r\n" + length + b"\r\n" + EVENT
    second = POST_HEADERS + length + b"Connection: close\r\n\r\n" + EVENT
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(first + second)
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 201") == 2
    assert [dict(record.headers).get("traceparent") for record in api.log.records(TOPIC)] == [trace, None]


async def test_malformed_request_is_answered_after_earlier_ones(api: Api) -> None:
    """Otherwise the client would take the 400 for the response to its first request."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST * 2 + b"nonsense\r\n\r\n")
        for _ in range(2):
            status, head = await read_head(reader)
            assert status == 201
            await read_content(reader, head)
        await read_problem(reader, 400)


async def test_requests_after_connection_close_are_ignored(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are neither answered nor published."""
    asked = 0

    async def publish(_: object, _trace: bytes | None = None) -> Sequence[Receipt]:
        nonlocal asked
        asked += 1
        raise HttpProblem(HTTPStatus.REQUEST_TIMEOUT, "too late", headers=[(b"connection", b"close")])

    monkeypatch.setattr(api.publisher, "publish", publish)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST * 2)
        answers = await asyncio.wait_for(reader.read(), 10)
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 408 ") == 1
    assert answers.count(b"\r\nconnection: close\r\n") == 1
    assert asked == 1


async def test_full_pipeline_pauses_reading_until_answered(
    api: Api, slow_log: SlowLog, protocols: list[HardenedProtocol]
) -> None:
    """Then all requests are answered in order."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST * 2000 + LAST_GET)
        await slow_log.asked.wait()
        [only] = protocols
        await until(lambda: only.flow.read_paused)
        assert len(only.pipeline) == MAX_PIPELINED
        slow_log.answers.set()
        assert statuses(await read_to_end(reader)) == [201] * 2000 + [200]


async def test_broken_chunk_is_answered_after_earlier_requests(api: Api, slow_log: SlowLog) -> None:
    """The requests before it are answered first."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST + GET + CHUNKED_POST + b"2\r\nxyz\r\n" + GET)
        await slow_log.asked.wait()
        slow_log.answers.set()
        assert statuses(await read_to_end(reader)) == [201, 200, 400]
