"""How the server finds the end of a request, and marks the end of a response."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.api import TOPIC, Api
from tests.support.http_steps import CHUNKED_POST, EVENT, GET, LAST_GET, POST, Send, read_to_end, statuses
from tests.support.server import connection, exchange, read_head, served
from tests.support.waiting import PATIENCE


async def test_chunked_body_is_published(api: Api) -> None:
    """With every byte in a chunk of its own."""
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in EVENT) + b"0\r\n\r\n"
    async with served(api.app) as port:
        status, _ = await exchange(port, CHUNKED_POST + chunks)
    assert status == 201
    assert len(api.log.records(TOPIC)) == 1


@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
async def test_response_to_head_is_sent_without_content(api: Api, closing: bytes) -> None:
    """The server does not keep the headers back for content that never follows."""
    async with served(api.app, keep_alive=600) as port, connection(port) as (reader, writer):
        writer.write(b"HEAD /events/processed HTTP/1.1\r\nHost: api\r\n" + closing + b"\r\n")
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (POST.replace(b"HTTP/1.1", b"HTTP/1.0"), 201),
        (POST.replace(b"Host:", b"Connection: close\r\nHost:"), 201),
        (POST.replace(b"LOGIN", b"LOGON").replace(b"HTTP/1.1", b"HTTP/1.0"), 422),
    ],
)
async def test_last_response_says_connection_close(api: Api, request_bytes: bytes, status: int) -> None:
    """It has all headers of a response, each once."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_bytes)
        found, head = await read_head(reader)
        body = await reader.read()
    names = [line.partition(":")[0] for line in head.splitlines()[1:-1]]
    assert found == status
    assert {"date", "content-type", "content-length", "x-request-id", "connection"} <= set(names)
    assert len(set(names)) == len(names)
    assert "\r\nconnection: close\r\n" in head
    assert f"\r\ncontent-length: {len(body)}\r\n" in head


@pytest.mark.parametrize("trailer", [b"Content-Type: text/plain", b"Content-Encoding: gzip", b"X-Request-Id: trailing"])
async def test_trailer_is_not_a_header(api: Api, trailer: bytes) -> None:
    """RFC 9110, section 6.5.1."""
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(EVENT), EVENT, trailer)
    async with served(api.app) as port:
        status, head = await exchange(port, CHUNKED_POST + chunks)
    assert status == 201
    assert "trailing" not in head


@pytest.mark.parametrize("trailer", [b"Connection: close", b"Content-Length: 7", b"Transfer-Encoding: chunked"])
async def test_trailer_does_not_change_framing(api: Api, trailer: bytes) -> None:
    """Nor does it close the connection."""
    request = CHUNKED_POST + b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(EVENT), EVENT, trailer)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request + GET + LAST_GET)
        assert statuses(await read_to_end(reader)) == [201, 200, 200]


@pytest.mark.parametrize("head", [b"HEAD / HTTP/1.1\r\n\r\n", b"HEAD / HTTP/3.0\r\n\r\n", b"HEAD /#x HTTP/1.1\r\n\r\n"])
async def test_rejected_head_request_gets_no_content(api: Api, head: bytes) -> None:
    """RFC 9110, section 9.3.2."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(head)
        status, fields = await read_head(reader)
        assert status in {400, 505}
        assert "\r\nconnection: close\r\n" in fields
        assert await read_to_end(reader) == b""


@pytest.mark.parametrize("breaks_off", [True, False])
async def test_stream_to_http_1_0_is_not_chunked(*, breaks_off: bool) -> None:
    """It ends with the connection; by a reset if it is incomplete."""

    async def app(_scope: object, _receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if not breaks_off:
            await send({"type": "http.response.body", "body": b""})

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        _, head = await read_head(reader)
        assert "chunked" not in head
        assert "\r\nconnection: close\r\n" in head
        if breaks_off:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b"abc" * 3


async def test_http_1_0_client_gets_no_100(api: Api) -> None:
    """It would take the 100 for the response."""
    head, end, body = (
        POST.replace(b"1.1", b"1.0").replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    )
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(head + end)
        writer.write(body)
        assert (await read_head(reader))[0] == 201


async def test_no_100_is_sent_within_a_response() -> None:
    """The client would take it for content."""

    async def app(_scope: object, receive: Callable[[], Coroutine[Any, Any, object]], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asking = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"abc"})
        await asking

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        answer = await read_to_end(reader)
    assert b"100 Continue" not in answer
    assert answer.endswith(b"3\r\nabc\r\n0\r\n\r\n")
