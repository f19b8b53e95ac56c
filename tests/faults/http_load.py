"""Clients of the HTTP API: hand-written HTTP/1.1, since a library's client costs more than the service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tests.faults.history import Event
from tests.faults.load import Answer, Load

CONNECTIONS = 32
_USERS_EACH = 8
_ANSWER_SECONDS = 15.0
"""Above the api's own limit for an acknowledgement."""
_LOST = (OSError, EOFError, TimeoutError)


class HttpLoad(Load):
    """Keep-alive connections to the api at a port, which may go and come back meanwhile."""

    def __init__(self, seed: str, port: int, *, connections: int = CONNECTIONS, most: int | None = None) -> None:
        super().__init__(seed, workers=connections, users_each=_USERS_EACH, most=most)
        self.port = port
        self.turned_away = 0
        """How many answers were 503."""

    def client(self) -> AbstractAsyncContextManager["HttpClient"]:
        """Make one connection, opened when it is needed."""
        return _client(self)


class HttpClient:
    """One connection, made anew after each loss."""

    def __init__(self, load: HttpLoad) -> None:
        self._load = load
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, event: Event) -> Answer:
        """Post an event."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                status = await self._exchange(_request(event))
        except _LOST:
            self.close()
            return Answer.NONE
        if status == 503:
            return Answer.RETRY
        return Answer.OK if status == 201 else Answer.REFUSED

    def close(self) -> None:
        """Drop the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, request: bytes) -> int:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._load.port)
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        (length,) = (int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        await self._reader.readexactly(length)
        if b"connection: close" in lines:
            self.close()
        status = int(head[9:12])
        if status == 503:
            assert any(line.startswith(b"retry-after: ") for line in lines), head
            self._load.turned_away += 1
        return status


@asynccontextmanager
async def _client(load: HttpLoad) -> AsyncIterator[HttpClient]:
    client = HttpClient(load)
    try:
        yield client
    finally:
        client.close()


def _request(event: Event) -> bytes:
    # The same keys as a record's.
    body = event.record()
    head = (
        b"POST /events/generate HTTP/1.1\r\nhost: api\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    return head % len(body) + body
