"""Responses that do not wait for the whole request."""

from contextlib import suppress
from typing import Any

import pytest

from entrypoints.http.server.hardened_protocol import HardenedProtocol
from tests.support.api import MAX_BODY_BYTES, Api
from tests.support.http_steps import (
    CHUNKED_POST,
    GET,
    POST,
    POST_HEADERS,
    aborted_response,
    read_content,
    read_to_end,
    until,
)
from tests.support.server import connection, exchange, read_head, served


async def test_chunked_body_over_limit_gets_413(api: Api) -> None:
    """It has no length, so the server counts it as it arrives, and does not wait for its end."""
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    async with served(api.app) as port:
        request = CHUNKED_POST + chunk * (MAX_BODY_BYTES // 0x1000 + 1)
        status, _ = await exchange(port, request)
    assert status == 413


async def test_announced_body_over_limit_gets_413_not_100(api: Api) -> None:
    """The client is not asked for the content."""
    async with served(api.app) as port:
        status, _ = await exchange(port, POST_HEADERS + b"Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
    assert status == 413


async def test_connection_stays_open_after_discarded_body(api: Api) -> None:
    """The server reads and discards the rest of the body, so that the client sees the response rather than a reset."""
    body = b" " * (MAX_BODY_BYTES * 10)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST_HEADERS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        status, head = await read_head(reader)
        assert status == 413
        await read_content(reader, head)
        writer.write(GET)
        status, _ = await read_head(reader)
        assert status == 200


@pytest.mark.parametrize(
    ("beginning", "status"), [(POST_HEADERS + b"Content-Length: 500000000\r\n\r\n", 413), (b"nonsense\r\n", 400)]
)
async def test_discarding_after_early_response_ends_by_size(api: Api, beginning: bytes, status: int) -> None:
    """The client gets the response first."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(beginning + b" " * 900_000)
        found, head = await read_head(reader)
        assert found == status
        await read_content(reader, head)
        with suppress(ConnectionError):
            for _ in range(1_000):
                writer.write(b" " * 100_000)
                await writer.drain()
            pytest.fail("it reads on and on")


async def test_rejected_expectation_closes_connection(api: Api) -> None:
    """The client may or may not send the content, so the server cannot find the next request."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST_HEADERS + b"Expect: 100-continue\r\nContent-Length: 500000000\r\n\r\n")
        status, head = await read_head(reader)
        assert status == 413
        assert "\r\nconnection: close\r\n" in head
        writer.write(GET)
        assert b"HTTP/1.1" not in await read_to_end(reader)


async def test_aborted_response_closes_connection(protocols: list[HardenedProtocol]) -> None:
    """Even if the client has begun another request."""
    async with served(aborted_response) as port:
        async with connection(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: api\r\n\r\nG")
            assert (await read_to_end(reader)).endswith(b"3\r\nabc\r\n")
        await until(lambda: protocols[0] not in protocols[0].connections)


async def test_request_behind_discarded_content_is_not_started(api: Api, protocols: list[HardenedProtocol]) -> None:
    """Its response could not be sent."""
    length, begun = 2_000_000, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        begun += 1
        await api.app(scope, receive, send)

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(POST_HEADERS + b"Content-Length: %d\r\n\r\n" % length)
        assert (await read_head(reader))[0] == 413
        protocols[0].data_received(b" " * length + POST)
        await read_to_end(reader)
    assert begun == 1
