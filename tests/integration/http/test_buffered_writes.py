"""Responses are buffered until the end of a turn of the event loop; none is lost."""

import asyncio
from collections.abc import Callable
from socket import socket
from typing import cast

import pytest
from litestar.types import Receive, Scope, Send

from entrypoints.http.server.hardened_protocol import MAX_DISCARDED_BYTES, HardenedProtocol
from entrypoints.http.server.transport import MAX_BUFFERED_BYTES, BufferedTransport
from tests.support.memory_connection import MemoryConnection, served_in_memory

_TURNS = range(12)
"""More than a request and its response take."""
_GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 2000000\r\n\r\n"


async def _hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


async def _after(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def _end(client: MemoryConnection) -> None:
    client.end()


def _shut_down(client: MemoryConnection) -> None:
    cast("HardenedProtocol", client.get_protocol()).shutdown()


def _send_too_much(client: MemoryConnection) -> None:
    """The response does not wait for the content, and more content arrives than the server discards."""
    client.send(bytes(MAX_DISCARDED_BYTES + 1))


@pytest.mark.parametrize("turns", _TURNS)
@pytest.mark.parametrize(("request_", "end"), [(_GET, _end), (_GET, _shut_down), (_POST, _send_too_much)])
async def test_response_is_sent_however_the_connection_closes(
    request_: bytes, end: Callable[[MemoryConnection], None], turns: int
) -> None:
    """At any time."""
    async with served_in_memory(_hello) as server:
        client = MemoryConnection(server.make_protocol)
        client.send(request_)
        await _after(turns)
        end(client)
        await client.settled()
    assert client.received.endswith(b"\r\n\r\nhello")
    assert client.has_server_ended


class _Transport(asyncio.Transport):
    def __init__(self, client: socket | None = None) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self._socket = client

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._socket if name == "socket" else default

    def abort(self) -> None:
        self.writes.append(b"(reset)")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return False


async def test_writes_of_one_turn_are_combined() -> None:
    """They are sent at the end of the turn."""
    transport = _Transport()
    buffered = BufferedTransport(transport, asyncio.get_running_loop(), transport.close)
    buffered.write(b"a")
    buffered.write(b"b")
    assert transport.writes == []
    await _after(1)
    buffered.write(b"c")
    await _after(1)
    assert transport.writes == [b"ab", b"c"]


async def test_large_writes_are_not_buffered() -> None:
    """So that the transport can apply backpressure."""
    transport = _Transport()
    buffered = BufferedTransport(transport, asyncio.get_running_loop(), transport.close)
    buffered.write(bytes(MAX_BUFFERED_BYTES))
    buffered.write(b"a")
    assert transport.writes == [bytes(MAX_BUFFERED_BYTES) + b"a"]


async def test_reset_follows_buffered_writes() -> None:
    """A connection may be evicted right after its response."""
    with socket() as client:
        transport = _Transport(client)
        buffered = BufferedTransport(transport, asyncio.get_running_loop(), transport.close)
        buffered.write(b"answer")
        buffered.reset()
    assert transport.writes == [b"answer", b"(reset)"]


async def test_response_with_invalid_headers_becomes_500() -> None:
    """With framing of its own."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb: c")]})

    async with served_in_memory(app) as server:
        client = MemoryConnection(server.make_protocol)
        client.send(_GET)
        await client.settled()
    assert client.received.startswith(b"HTTP/1.1 500 ")
    assert client.received.endswith(b"\r\n\r\nInternal Server Error")
