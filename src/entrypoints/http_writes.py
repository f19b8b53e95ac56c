"""HTTP/1.1 with one write for all that a connection sends in one turn of the event loop, at the turn's end.

The server makes a write of each head and each body, and each is a call of the system that may wake the client. The
answers of a turn, which one acknowledgement of the log has set free, follow each other closely when nothing is worked
out in between, and a client that is awake already need not be woken for each.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HELD_BYTES = 64 * 1024


class OneWriteProtocol(HttpToolsProtocol):
    """Writes through a transport that gathers."""

    _gathering: "GatheringTransport"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._gathering = GatheringTransport(transport, self.loop)
        super().connection_made(self._gathering)

    def eof_received(self) -> None:
        # Next the loop closes its own transport, past the one that gathers.
        self._gathering.flush()
        super().eof_received()


class GatheringTransport(asyncio.Transport):
    """As much of a transport as the server uses; holds writes back until the next turn, or until they are many."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held += data
        # Whoever writes on and on must come to know that the client does not read.
        if len(self._held) > _MAX_HELD_BYTES:
            self.flush()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def flush(self) -> None:
        """Write now what is held back."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
