"""One connection to the HTTP server without a socket."""

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
from tests.support.memory_connection import MemoryConnection

_TURNS = 60
"""A server without I/O is idle after this many turns of the event loop."""
_PATIENCE_SECONDS = 10.0


@dataclass
class Exchange:
    """The result of a connection."""

    answers: list[Answer]
    ended_by_server: bool
    """Whether the server closed the connection before the client."""


@asynccontextmanager
async def connected(app: ASGIApp) -> AsyncIterator[MemoryConnection]:
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
    logging.getLogger("uvicorn.error").addHandler(errors)
    try:
        client = MemoryConnection(lambda: HardenedProtocol(config, state, {}))
        yield client
        client.end()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await client.lost.wait()
            while state.tasks:
                await asyncio.wait(state.tasks)
    finally:
        logging.getLogger("uvicorn.error").removeHandler(errors)
    assert not errors.found, errors.found


async def exchange(app: ASGIApp, pieces: Iterable[bytes], *, turns: int = 0) -> Exchange:
    """Send `pieces`, with `turns` of the event loop after each, and return all responses."""
    methods: list[str] = []

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        methods.append(cast("HTTPScope", scope)["method"])
        await app(scope, receive, send)

    async with connected(observed) as client:
        for piece in pieces:
            client.send(piece)
            await turn(turns)
        await turn(_TURNS)
        ended_by_server = client.has_server_ended
    return Exchange(read_answers(bytes(client.received), methods), ended_by_server)


async def turn(times: int) -> None:
    """Let the event loop run for some turns."""
    for _ in range(times):
        await asyncio.sleep(0)


class _Errors(logging.Handler):
    """Collects the errors that the server logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.exc_info or record.getMessage())
