"""What goes to a client, and when more is read of it."""

import asyncio
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from uvicorn.protocols.http.flow_control import FlowControl

STALL_SECONDS = 30.0
"""How long a client may take nothing of what is written to it."""


MAX_HELD_BYTES = 64 * 1024
"""What is held back of an answer at most: whoever writes on and on must come to know that the client does not read."""


class Outgoing(asyncio.Transport):
    """As much of a transport as answers use: bytes are counted, and the connection ends in its own way.

    What is written in one turn of the event loop goes out after it. The log acknowledges many events at once, whose
    answers are then written one right after the other: a client of several connections is woken once, not for each.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._end = end
        self._held = b""
        self._written = 0
        self._taken = -1
        """Of what was written, at the last check; nothing is known before the first."""
        self._taken_at = 0.0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held += data
        if len(self._held) > MAX_HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held back; whoever ends the connection does this first."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._written += len(held)
            self._transport.write(held)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._end()

    def is_stalled(self, now: float) -> bool:
        """Tell whether the client has taken nothing for too long; called every second or so."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or self._written - unsent != self._taken:
            self._taken, self._taken_at = self._written - unsent, now
        return now >= self._taken_at + STALL_SECONDS

    def reset(self) -> None:
        """End the connection at once, in a way that the client sees; what it does not take is dropped."""
        self.flush()
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._transport.abort()

    def detach(self) -> None:
        """Forget the connection, which is gone: the two hold each other."""
        self._end = self._transport.close


class HeldFlow(FlowControl):
    """Reads nothing while the connection has enough to do, whoever of its answers asks for more."""

    is_held = False

    def hold(self) -> None:
        """Pause reading until `release`."""
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        """Read on."""
        self.is_held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self.is_held:
            super().resume_reading()
