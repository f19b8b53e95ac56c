"""Connections to the HTTP server without a network, so that a stream of bytes can be cut anywhere at no cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from tests.support.server import exchange, served

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
    """Both ends of a connection: the server's transport, and the client that feeds it."""

    def __init__(self, make_protocol: MakeProtocol) -> None:
        super().__init__()
        self.sent = bytearray()
        """By the server."""
        self.ended = False
        """Whether the server has ended its side."""
        self._loop = asyncio.get_running_loop()
        self._inbox = bytearray()
        self._client_ended = False
        self._reads = True
        self._protocol = make_protocol()
        self._protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        """Hand a segment to the server, at once where it reads."""
        self._inbox += data
        self._deliver()

    def end(self) -> None:
        """End the client's side."""
        self._client_ended = True
        self._deliver()

    async def settled(self) -> None:
        """Return when the server has done all that it does without more from the client."""
        quiet, sent = 0, len(self.sent)
        while quiet < _QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.sent) == sent else 0
            sent = len(self.sent)

    def _deliver(self) -> None:
        if self._inbox and self._reads and not self.is_closing():
            data = bytes(self._inbox)
            self._inbox.clear()
            self._protocol.data_received(data)
        if self._client_ended and not self._inbox and self._reads and not self.is_closing():
            self._client_ended = False
            if not self._protocol.eof_received():
                self.close()

    # What a transport has to have.

    _is_closing = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = self.ended = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_reading(self) -> bool:
        return self._reads and not self._is_closing

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        if not self._reads:
            self._reads = True
            self._loop.call_soon(self._deliver)
