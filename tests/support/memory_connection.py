"""Connections to the HTTP server without a network, so that a stream of bytes can be cut anywhere at no cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from tests.support.server import exchange, served

_READ_BYTES = 64 * 1024
"""As much as an event loop reads at once."""
_QUIET_TURNS = 20
"""Of the event loop; more than the server and an application in memory ever take for a step that shows outside."""

MakeProtocol = Callable[[], asyncio.Protocol]


@dataclass(frozen=True)
class Server:
    """A server on a real port, and what makes its side of a connection."""

    port: int
    make_protocol: MakeProtocol


@asynccontextmanager
async def served_in_memory(app: Any) -> AsyncIterator[Server]:
    """Serve `app` exactly as the service does; connections may also be made in memory."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[MakeProtocol] = loop.create_future()
    create_server = loop.create_server

    async def create_and_tell(make_protocol: MakeProtocol, **options: Any) -> asyncio.Server:
        made.set_result(make_protocol)
        return await create_server(make_protocol, **options)

    with patch.object(loop, "create_server", create_and_tell):
        async with served(app) as port:
            # What has answered once is ready for all that is asked.
            await exchange(port, b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
            yield Server(port, await made)


class MemoryConnection(asyncio.Transport):
    """Both ends of a connection: the server's transport, and the client."""

    def __init__(self, make_protocol: MakeProtocol) -> None:
        super().__init__()
        self.received = bytearray()
        """By the client."""
        self.lost = asyncio.Event()
        """Set when the server's protocol knows that the connection is closed."""
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._is_paused = self._is_closing = self._has_written_eof = False
        self._has_client_ended = self._has_delivered_eof = False
        self._protocol = make_protocol()
        self._protocol.connection_made(self)

    @property
    def has_server_ended(self) -> bool:
        """Whether the server has closed the connection, or its side of it."""
        return self._has_written_eof or self._is_closing

    def send(self, data: bytes) -> None:
        """Send as the client; the server receives it at once unless it has paused reading."""
        self._unread += data
        self._deliver()

    def end(self) -> None:
        """Close the client's side."""
        self._has_client_ended = True
        self._deliver()

    async def settled(self) -> None:
        """Return when the server has done all that it does without more from the client."""
        quiet, count = 0, len(self.received)
        while quiet < _QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.received) == count else 0
            count = len(self.received)

    def _deliver(self) -> None:
        while self._unread and not self._is_paused and not self._is_closing:
            data = bytes(self._unread[:_READ_BYTES])
            del self._unread[:_READ_BYTES]
            self._protocol.data_received(data)
        is_read = not (self._unread or self._is_paused or self._is_closing)
        if self._has_client_ended and is_read and not self._has_delivered_eof:
            self._has_delivered_eof = True
            if not self._protocol.eof_received():
                self.close()

    def _lose(self) -> None:
        self._protocol.connection_lost(None)
        # As a loop's own transport does: the two refer to each other.
        del self._protocol
        self.lost.set()

    # The methods of a transport.

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        # A loop's own transport drops what is written to it when it is closing.
        assert not self._has_written_eof
        if not self._is_closing:
            self.received += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._has_written_eof = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_reading(self) -> bool:
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self._deliver)
