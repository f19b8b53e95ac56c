"""One request being answered: in one write where it can be, for clients of HTTP/1.0, and for connections that end."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from entrypoints.http.headers import Fields

_CLOSE = (b"connection", b"close")
_CHUNKED = (b"transfer-encoding", b"chunked")
_WITHOUT_CONTENT = frozenset({204, 304})
_WELL_FORMED = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++: [\t\x20-\x7e\x80-\xff]*+\r\n)*+")


class Answer(RequestResponseCycle):
    """Sends head and content together if the content's length is told, where uvicorn takes a write for each."""

    transport: "Outgoing"
    announcement: Fields = ()
    """What is said of a connection that is kept."""
    ends_by_close = False
    """Whether the end of the connection is that of the answer (RFC 9112, section 6.3), for want of another way."""
    _head = b""
    """Until it is sent."""

    def receive(self) -> Coroutine[None, None, ASGIReceiveEvent]:
        if self.body or not self.more_body:
            # RFC 9110, section 10.1.1: the client sends the content without having been asked for it.
            self.waiting_for_100_continue = False
        return super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = self._render(message["status"], message.get("headers", ()))
            self.response_started = True
            if self.chunked_encoding or self.ends_by_close:
                self._write(b"")
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._send_content(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} is out of order")

    def _render(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Render status line and fields; decide how the content ends, and whether the connection does."""
        fields = [*self.default_headers, *headers]
        named = dict(fields)
        if self.waiting_for_100_continue or b"close" in named.get(b"connection", b""):
            # RFC 9110, section 10.1.1: the client may leave out the content that nobody wants to read.
            self.keep_alive = False
        if b"connection" not in named:
            fields += self.announcement if self.keep_alive else (_CLOSE,)
        if b"content-length" in named:
            self.expected_content_length = int(named[b"content-length"])
        elif self.scope["method"] != "HEAD" and status not in _WITHOUT_CONTENT:
            # RFC 9112, section 6.1: no chunks to HTTP/1.0.
            self.ends_by_close = self.scope["http_version"] == "1.0"
            self.chunked_encoding = not self.ends_by_close
            fields += (_CHUNKED,) if self.chunked_encoding else ()
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        if not _WELL_FORMED.fullmatch(lines):
            raise RuntimeError("invalid response header")
        return STATUS_LINE[status] + lines + b"\r\n"

    def _send_content(self, content: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            content = b""
        elif self.chunked_encoding:
            content = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
            content += b"" if more else b"0\r\n\r\n"
        elif not self.ends_by_close:
            self.expected_content_length -= len(content)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("the content is not as long as its Content-Length")
        self._write(content)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()

    def _write(self, content: bytes) -> None:
        if data := self._head + content:
            self.transport.write(data)
        self._head = b""


class Outgoing(asyncio.Transport):
    """As much of a transport as answers use: bytes are counted, and the connection ends in its own way."""

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._end = end
        self._written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written += len(data)
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._end()

    def progress(self) -> tuple[int, int]:
        """Return how many bytes the system has taken, and how many it has not taken yet."""
        unsent = self._transport.get_write_buffer_size()
        return self._written - unsent, unsent

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
