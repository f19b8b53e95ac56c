"""A real HTTP server, and clients that send raw bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from entrypoints.http.server.limits import ConnectionLimit, Limits
from entrypoints.http.server.serve import listen, serve


@asynccontextmanager
async def served(
    app: Any,
    *,
    limit: ConnectionLimit | None = None,
    keep_alive: int = 60,
    content_idle: float = 10.0,
    content_total: float = 60.0,
) -> AsyncIterator[int]:
    """Serve `app`; yields the port."""
    limits = Limits(limit or ConnectionLimit(1_000), keep_alive, content_idle, content_total)
    stop = asyncio.Event()
    # It listens before the server starts, so that nobody has to wait for that.
    with listen("127.0.0.1", 0, "PORT") as listener:
        serving = asyncio.create_task(serve(app, listener, stop, drain=1, limits=limits))
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def read_head(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Read the status and headers of a response, in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return int(head.split()[1]), head.lower()


async def exchange(port: int, request: bytes) -> tuple[int, str]:
    """Send `request` over a new connection; return the status and headers of the response."""
    async with connection(port) as (reader, writer):
        writer.write(request)
        return await read_head(reader)
