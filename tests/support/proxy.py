"""A TCP proxy on loopback that counts requests, keeps one back, cuts connections, or plays dead."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.framing import Framing, Request

_CHUNK_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Held:
    """One request that is to be kept back, together with all that follows it on its connection."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._passes: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def arrived(self) -> None:
        """Return when the proxy has the request."""
        await self._arrived.wait()

    def release(self) -> None:
        """Send it on."""
        self._passes.set_result(True)

    def drop(self) -> None:
        """Never send it: its connection ends, at the server's side too."""
        self._passes.set_result(False)

    async def _pass(self) -> bool:
        self._arrived.set()
        return await self._passes


class Proxy:
    """Stands before a server on loopback, at a port of its own; made by `proxied`."""

    def __init__(self, server_port: int, framing: Framing) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        """How many requests arrived, by kind."""
        self._server_port = server_port
        self._framing = framing
        self._held: dict[str, Held] = {}
        self._flows = asyncio.Event()
        self._flows.set()
        self._listener: asyncio.Server | None = None
        self._relays: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def hold(self, kind: str) -> Held:
        """Keep back the next request of a kind."""
        self._held[kind] = held = Held()
        return held

    async def cut(self) -> None:
        """Reset all connections, as a killed server's machine does; clients may come again."""
        for relay, client in self._relays.items():
            if not client.is_closing():
                client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

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
        """Take everything and pass nothing on, either way, as a network does that drops packets."""
        self._flows.clear()

    def heal(self) -> None:
        """Undo `blackhole`; nothing was lost meanwhile."""
        self._flows.set()

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
            answers, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            # The server is down: the client is told so by the end of its connection.
            return
        pumps = [
            asyncio.create_task(self._pass_requests(reader, server)),
            asyncio.create_task(self._pass_answers(answers, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for request in self._framing(reader):
            self.seen[request.kind] += 1
            if not await self._may_pass(request):
                return
            await self._flows.wait()
            writer.write(request.data)
            await writer.drain()

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()

    async def _may_pass(self, request: Request) -> bool:
        held = self._held.pop(request.kind, None)
        return held is None or await held._pass()


@asynccontextmanager
async def proxied(server_port: int, framing: Framing, *, port: int = 0) -> AsyncIterator[Proxy]:
    """Run a proxy, at a free port unless one is given."""
    proxy = Proxy(server_port, framing)
    await proxy.accept(port)
    try:
        yield proxy
    finally:
        await proxy.refuse()
