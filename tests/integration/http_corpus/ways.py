"""The ways in which a stream arrives at the server."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.integration.http_corpus.judge import Outcome
from tests.support.api import TOPIC, Api
from tests.support.memory_connection import MemoryConnection, Server
from tests.support.waiting import PATIENCE

_DULL_FROM = 1_500
_DULL_BYTES = 61


@dataclass(frozen=True)
class Port:
    """A port of the service, and the events that it publishes."""

    server: Server
    api: Api

    async def whole(self, stream: bytes) -> Outcome:
        """Send all at once."""
        return await self._in_memory([stream])

    async def in_two(self, stream: bytes, place: int) -> Outcome:
        """Send the bytes before `place`, and the rest after the server has settled."""
        return await self._in_memory([stream[:place], stream[place:]])

    async def byte_by_byte(self, stream: bytes) -> Outcome:
        """Send single bytes, with a turn of the event loop after each."""
        return await self._in_memory(_bytes(stream), settles=False)

    async def with_fin(self, stream: bytes) -> Outcome:
        """Send all at once and close the client's side."""
        return await self._in_memory([stream], fin=True)

    async def over_a_socket(self, stream: bytes, *, fin: bool = False) -> Outcome:
        """Send all at once over a real connection, and read until the server closes it."""
        before = self._published()
        transport, client = await asyncio.get_running_loop().create_connection(_Client, "127.0.0.1", self.server.port)
        transport.write(stream)
        if fin:
            transport.write_eof()
        try:
            async with asyncio.timeout(PATIENCE):
                await client.end
        finally:
            transport.close()
        return Outcome(bytes(client.received), ended=True, published=self._published() - before)

    async def _in_memory(self, pieces: Iterable[bytes], *, settles: bool = True, fin: bool = False) -> Outcome:
        before = self._published()
        client = MemoryConnection(self.server.make_protocol)
        for piece in pieces:
            if client.has_server_ended:
                break
            client.send(piece)
            await (client.settled() if settles and not fin else asyncio.sleep(0))
        if fin:
            client.end()
        await client.settled()
        outcome = Outcome(bytes(client.received), client.has_server_ended, self._published() - before)
        client.abort()
        await asyncio.sleep(0)
        return outcome

    def _published(self) -> int:
        return len(self.api.log.records(TOPIC))


def _bytes(stream: bytes) -> Iterator[bytes]:
    """Split at every byte, or less often within long repetitions."""
    place = 0
    while place < len(stream):
        is_dull = _DULL_FROM < place < len(stream) - _DULL_FROM
        size = _DULL_BYTES if is_dull else 1
        yield stream[place : place + size]
        place += size


class _Client(asyncio.Protocol):
    """Keeps received bytes even after a reset."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.end.set_result(None)
