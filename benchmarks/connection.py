"""A client's connection that costs as little as possible, so that the server is measured."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = slice(9, 12)

Answered = Callable[["Connection", bytes, bytes], None]
"""Called with the connection, the status and the body of a response."""


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request at a time; every response needs a Content-Length."""

    def __init__(self, answered: Answered, lost: Callable[[], None]) -> None:
        """`lost` is called when the connection ends, which should happen only after `close`."""
        self._answered = answered
        self._lost = lost
        self._received = b""
        self.transport: asyncio.Transport | None = None
        self.sent_at = 0.0
        """When the request was sent, or was due; set by the sender."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send a request; the last one must be answered."""
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(received, 0, head_end)
        if length is None:
            raise ValueError(f"a response without its length: {received[:head_end]!r}")
        body = head_end + 4
        if len(received) < body + int(length[1]):
            return
        self._received = b""
        self._answered(self, received[_STATUS], received[body:])

    def connection_lost(self, _exc: Exception | None) -> None:
        self._lost()

    def close(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.close()


async def connect(ports: list[int], count: int, answered: Answered, lost: Callable[[], None]) -> list[Connection]:
    """Open connections to servers on loopback, in turn."""
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Connection(answered, lost), "127.0.0.1", ports[place % len(ports)])
        for place in range(count)
    ]
    return [connection for _transport, connection in pairs]
