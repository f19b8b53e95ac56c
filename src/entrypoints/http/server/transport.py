"""The write side of a connection, and the switch that pauses its read side."""

import asyncio
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from uvicorn.protocols.http.flow_control import FlowControl

STALL_SECONDS = 30.0
"""How long a client may read nothing of what is written to it."""
MAX_BUFFERED_BYTES = 64 * 1024
"""Beyond this, bytes go to the real transport at once, which applies backpressure if the client does not read."""


class BufferedTransport(asyncio.Transport):
    """Collects the writes of one turn of the event loop and sends them at its end.

    One acknowledgement of the log completes many events, whose responses follow each other at once. Sent together,
    they wake a client with several connections once instead of many times, which saves a fifth of a POST here.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, on_close: Callable[[], None]
    ) -> None:
        """Call `on_close` in place of closing `transport`."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._on_close = on_close
        self._buffer = b""
        self._written = 0
        self._read_by_client = -1
        """Of `_written`, at the last check; unknown before the first."""
        self._progress_at = 0.0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._buffer:
            self._loop.call_soon(self.flush)
        self._buffer += data
        if len(self._buffer) > MAX_BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the buffered bytes; required before the connection is closed."""
        buffered, self._buffer = self._buffer, b""
        if buffered and not self._transport.is_closing():
            self._written += len(buffered)
            self._transport.write(buffered)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._on_close()

    def is_stalled(self, now: float) -> bool:
        """Return whether the client has read nothing for `STALL_SECONDS`; to be called once a second."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or self._written - unsent != self._read_by_client:
            self._read_by_client, self._progress_at = self._written - unsent, now
        return now >= self._progress_at + STALL_SECONDS

    def reset(self) -> None:
        """Reset the connection (RST), so that the client does not take a partial response for a whole one."""
        self.flush()
        self._transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._transport.abort()

    def detach(self) -> None:
        """Drop the reference to the protocol, which refers to this transport, once the connection is closed."""
        self._on_close = self._transport.close


class ReadControl(FlowControl):
    """Lets the protocol pause reading; while `is_blocked`, responses cannot resume reading on their own."""

    is_blocked = False

    def block_reading(self) -> None:
        """Pause reading, and set `is_blocked`."""
        self.is_blocked = True
        self.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self.is_blocked:
            super().resume_reading()
