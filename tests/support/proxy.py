"""A TCP proxy on loopback that counts requests, keeps one back, cuts, slows or blocks connections."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.framing import Framing, Request
from tests.support.way import Way
from tools.kafka import probe

_CHUNK_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Held:
    """One request that is to be kept back, together with all that follows it on its connection."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._passes: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def has_arrived(self) -> bool:
        """Whether a proxy has the request."""
        return self._arrived.is_set()

    async def arrived(self) -> None:
        """Return when a proxy has the request."""
        await self._arrived.wait()

    def release(self) -> None:
        """Send it on, or let it pass when it arrives."""
        if not self._passes.done():
            self._passes.set_result(True)

    def drop(self) -> None:
        """Never send it: its connection ends, at the server's side too."""
        if not self._passes.done():
            self._passes.set_result(False)

    async def _pass(self) -> bool:
        self._arrived.set()
        return await self._passes


class Proxy:
    """A proxy before a server on loopback, at a port of its own; made by `proxied`."""

    def __init__(self, server_port: int, framing: Framing) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        """How many requests arrived, by kind."""
        self.connections_cut = 0
        self.requests = Way()
        self.answers = Way()
        self.outlives_server = False
        """Whether a client's connection stays when the server has ended its own."""
        self.server_port = server_port
        """Where new connections lead to."""
        self._framing = framing
        self._held: dict[str, Held] = {}
        self._listener: asyncio.Server | None = None
        self._relays: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def hold(self, kind: str, held: Held | None = None) -> Held:
        """Keep back the next request of a kind; with `held`, of all proxies that were given the same."""
        self._held[kind] = held = held or Held()
        return held

    async def cut(self) -> None:
        """Reset all connections, as a killed server's machine does; clients may come again."""
        self.connections_cut += len(self._relays)
        for relay, client in self._relays.items():
            if not client.is_closing():
                client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    @property
    def is_accepting(self) -> bool:
        """Whether clients can connect."""
        return self._listener is not None

    async def refuse(self) -> None:
        """End all connections and refuse new ones, as a port does where nobody listens."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self.cut()

    async def accept(self, port: int = 0) -> None:
        """Take connections, after `refuse` on the same port as before."""
        self._listener = await asyncio.start_server(self._begin, "127.0.0.1", port or self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def blackhole(self) -> None:
        """Take everything and pass nothing on, either way; `requests.block()` or `answers.block()` do it one way."""
        self.requests.block()
        self.answers.block()

    def heal(self) -> None:
        """Undo what was done to `requests` and `answers`, and pass on what was kept back; nothing was lost."""
        self.requests.heal()
        self.answers.heal()
        for held in self._held.values():
            held.release()
        self._held.clear()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None:
            # Taken by the system just before the port was closed.
            writer.close()
            return
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays[relay] = writer
        # Not the relay itself ends the client's connection: cancelled early enough, it never gets to run.
        relay.add_done_callback(lambda relay: self._relays.pop(relay).close())

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            # The server is down: the client sees it by the end of its connection.
            return
        pumps = [
            asyncio.create_task(self.requests.carry(self._read_requests(reader), server)),
            asyncio.create_task(self.answers.carry(_read_chunks(answers), writer)),
        ]
        try:
            ending = pumps[:1] if self.outlives_server else pumps
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First, since a relay that ends may be cut while it waits here.
            server.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _read_requests(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        async for request in self._framing(reader):
            self.seen[request.kind] += 1
            if not await self._may_pass(request):
                return
            yield request.data

    async def _may_pass(self, request: Request) -> bool:
        held = self._held.pop(request.kind, None)
        return held is None or held.has_arrived or await held._pass()


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await reader.read(_CHUNK_BYTES):
        yield chunk


@asynccontextmanager
async def proxied(server_port: int, framing: Framing, *, port: int = 0) -> AsyncIterator[Proxy]:
    """Run a proxy, at a free port unless one is given, which stays its own while it refuses connections."""
    proxy = Proxy(server_port, framing)
    await proxy.accept(port or probe.free_ports(1)[0])
    try:
        yield proxy
    finally:
        await proxy.refuse()
