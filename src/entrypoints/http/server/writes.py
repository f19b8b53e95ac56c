"""HTTP/1.1 with one write for all that a connection sends in one turn of the event loop, at the turn's end.

The server makes a write of each head and each body, and each is a call of the system that may wake the client. The
answers of a turn, which one acknowledgement of the log has set free, follow each other closely when nothing is worked
out in between, and a client that is awake already need not be woken for each.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from entrypoints.http.server.keep_alive import KeepAliveProtocol

_MAX_HELD_BYTES = 64 * 1024


class OneWriteProtocol(KeepAliveProtocol):
    """Writes through a transport that gathers."""

    _gathering: "GatheringTransport"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._gathering = GatheringTransport(transport, self.loop, self.reading_resumed)
        super().connection_made(self._gathering)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # The two hold each other: with the last body they would stay until the collector of garbage finds them.
        self._gathering.detach()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Answer a request that came whole before the client ended its side, as `nc -N` does; Node.js does so too."""
        self._gathering.flush()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.more_body or cycle.response_started:
            # The loop closes its own transport, past the one that gathers.
            return False
        cycle.keep_alive = False
        return True

    def reading_resumed(self) -> None:
        """Called when the server reads on, which it does not while a request waits for its turn."""


class GatheringTransport(asyncio.Transport):
    """As much of a transport as the server uses; holds writes back until the turn's end, or until they are many."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        on_resume: Callable[[], None] | None = None,
    ) -> None:
        """`on_resume` is told of each time that reading is resumed."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._on_resume = on_resume
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
        if self._on_resume is not None:
            self._on_resume()

    def detach(self) -> None:
        """Forget who is told."""
        self._on_resume = None

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def flush(self) -> None:
        """Write now what is held back."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)
