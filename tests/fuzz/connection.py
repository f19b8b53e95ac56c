"""One connection to the HTTP server without a socket: what a client sends, piece by piece, and what it is answered."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from uvicorn.server import ServerState

from entrypoints.http.server.hardened_protocol import HardenedProtocol
from entrypoints.http.server.limits import ConnectionLimit, Limits, ServerConfig
from tests.fuzz.answers import Answer, read_answers

_READ_BYTES = 64 * 1024
"""As much as an event loop reads at once."""
_TURNS = 60
"""After so many turns of the event loop a server without any I/O has done what it can."""
_PATIENCE_SECONDS = 10.0


@dataclass
class Exchange:
    """What came of a connection."""

    answers: list[Answer]
    ended_by_server: bool
    """Whether the server ended the connection before the client did."""


class Transport(asyncio.Transport):
    """Delivers what the client has sent, unless reading is paused, and keeps what the server writes."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written = bytearray()
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._unread = bytearray()
        self.has_written_all = False
        self._is_paused = self._is_closing = self._has_sent_all = self._has_ended = False

    def send(self, data: bytes) -> None:
        """Send as the client."""
        self._unread += data
        self._deliver()

    def end(self) -> None:
        """Send no more, which the server reads once it has read all else."""
        self._has_sent_all = True
        self._deliver()

    def _deliver(self) -> None:
        while self._unread and not self._is_paused and not self._is_closing:
            data = bytes(self._unread[:_READ_BYTES])
            del self._unread[:_READ_BYTES]
            self._protocol.data_received(data)
        if self._has_sent_all and not (self._unread or self._is_paused or self._is_closing or self._has_ended):
            self._has_ended = True
            if not self._protocol.eof_received():
                self.close()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return not self._is_paused and not self._is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        # A loop's own transport drops what is written to it when it is closing.
        assert not self.has_written_all
        if not self._is_closing:
            self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_written_all = True

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def get_extra_info(self, name: str, default: object = None) -> object:
        del name
        return default

    def _lose(self) -> None:
        self._protocol.connection_lost(None)
        # As a loop's own transport does: the two hold each other.
        del self._protocol
        self.lost.set()


@asynccontextmanager
async def connected(app: ASGIApp) -> AsyncIterator[Transport]:
    """Connect to a server of `app`; in the end the client ends its side, and the server has to end its own.

    Raises `AssertionError` for whatever went wrong inside the server.
    """
    loop = asyncio.get_running_loop()
    errors = _Errors()
    loop.set_exception_handler(lambda _, context: errors.found.append(context))
    config = ServerConfig(
        app,
        interface="asgi3",
        http=HardenedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    config.limits = Limits(ConnectionLimit(1), keep_alive=60, content_idle=10, content_total=60)
    config.keep_alive_headers = ()
    config.load()
    state = ServerState()
    protocol = HardenedProtocol(config, state, {})
    transport = Transport(protocol)
    logging.getLogger("uvicorn.error").addHandler(errors)
    try:
        protocol.connection_made(transport)
        yield transport
        transport.end()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await transport.lost.wait()
            while state.tasks:
                await asyncio.wait(state.tasks)
    finally:
        logging.getLogger("uvicorn.error").removeHandler(errors)
    assert not errors.found, errors.found


async def exchange(app: ASGIApp, pieces: Iterable[bytes], *, turns: int = 0) -> Exchange:
    """Send `pieces`, with so many turns of the event loop after each, and return the answers to all."""
    methods: list[str] = []

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        methods.append(cast("HTTPScope", scope)["method"])
        await app(scope, receive, send)

    async with connected(observed) as transport:
        for piece in pieces:
            transport.send(piece)
            await turn(turns)
        await turn(_TURNS)
        ended_by_server = transport.has_written_all or transport.is_closing()
    return Exchange(read_answers(bytes(transport.written), methods), ended_by_server)


async def turn(times: int) -> None:
    """Let the event loop turn, in which whatever is ready runs."""
    for _ in range(times):
        await asyncio.sleep(0)


class _Errors(logging.Handler):
    """Collects what the server itself logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.exc_info or record.getMessage())
