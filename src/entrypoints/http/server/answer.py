"""One request being answered: in one write where it can be, for clients of HTTP/1.0, and for connections that end."""

from collections.abc import Coroutine, Iterable

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from entrypoints.http.server.header_lines import lines_of
from entrypoints.http.server.outgoing import Outgoing

_CLOSE = b"connection: close\r\n"
_CHUNKED = (b"transfer-encoding", b"chunked")
_WITHOUT_CONTENT = frozenset({204, 304})


class Answer(RequestResponseCycle):
    """Sends head and content together if the content's length is told, where uvicorn takes a write for each."""

    transport: Outgoing
    common: bytes
    """The fields of every answer."""
    announcement: bytes
    """Those of an answer after which the connection is kept."""
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
        fields = [*headers]
        named = dict(fields)
        # An answer before this one may have been refused as it was rendered.
        self.chunked_encoding = False
        if self.waiting_for_100_continue or b"close" in named.get(b"connection", b""):
            # RFC 9110, section 10.1.1: the client may leave out the content that nobody wants to read.
            self.keep_alive = False
        # Within an answer nothing is asked for any more.
        self.waiting_for_100_continue = False
        if b"content-length" in named:
            self.expected_content_length = int(named[b"content-length"])
        elif self.scope["method"] != "HEAD" and status not in _WITHOUT_CONTENT:
            # RFC 9112, section 6.1: no chunks to HTTP/1.0.
            self.ends_by_close = self.scope["http_version"] == "1.0"
            self.chunked_encoding = not self.ends_by_close
            fields += (_CHUNKED,) if self.chunked_encoding else ()
        connection = b"" if b"connection" in named else self.announcement if self.keep_alive else _CLOSE
        return b"".join((STATUS_LINE[status], self.common, connection, lines_of(fields), b"\r\n"))

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
