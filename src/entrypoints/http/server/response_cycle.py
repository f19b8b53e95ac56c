"""One request and its response: a single write where possible, framed for the client's version of HTTP."""

import asyncio
from collections.abc import Coroutine, Iterable
from urllib.parse import unquote

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from entrypoints.http.headers import HeaderFields
from entrypoints.http.server.request_parser import ParsedRequest
from entrypoints.http.server.transport import BufferedTransport

_CHUNKED = (b"transfer-encoding", b"chunked")
_CLOSE: HeaderFields = ((b"connection", b"close"),)
_STATUSES_WITHOUT_CONTENT = frozenset({204, 304})
_CONTROLS = bytes({*range(32), 127} - {*b"\t"})
_LINE_END = b"\r\n"


class ResponseCycle(RequestResponseCycle):
    """Sends the header section together with the first content; uvicorn takes one write for each."""

    transport: BufferedTransport
    _ends_by_close = False
    """Whether closing the connection marks the end of the content (RFC 9112, section 6.3)."""
    _unsent_headers = b""

    def __init__(
        self,
        request: ParsedRequest,
        connection: HttpToolsProtocol,
        transport: BufferedTransport,
        keep_alive_headers: HeaderFields,
    ) -> None:
        """Send `keep_alive_headers` with every response after which the connection stays open."""
        super().__init__(
            scope=_asgi_scope(request, connection),
            transport=transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=connection.access_log,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=request.expects_continue,
            keep_alive=request.keep_alive,
            on_response=connection.on_response_complete,
        )
        self._keep_alive_headers = keep_alive_headers

    @property
    def needs_close_to_complete(self) -> bool:
        """Whether the response is incomplete, and a client could take the close of the connection for its end."""
        return self._ends_by_close and not self.response_complete

    def disconnect(self) -> None:
        """Give the application an `http.disconnect`; ignore what it sends from now on."""
        self.disconnected = True
        self.message_event.set()

    def receive(self) -> Coroutine[None, None, ASGIReceiveEvent]:
        if self.body or not self.more_body:
            # The client is already sending content, so it does not need a 100 (RFC 9110, section 10.1.1).
            self.waiting_for_100_continue = False
        return super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._unsent_headers = self._start_response(message["status"], message.get("headers", ()))
            self.response_started = True
            if self.chunked_encoding or self._ends_by_close:
                self._write(b"")
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._send_content(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} is out of order")

    def _start_response(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Decide how the content ends and whether the connection closes; return status line and header section."""
        fields = [*headers]
        by_name = dict(fields)
        # Rendering an earlier response to this request may have failed.
        self.chunked_encoding = False
        if self.waiting_for_100_continue or b"close" in by_name.get(b"connection", b""):
            # Without a 100 the client may or may not send the content (RFC 9110, section 10.1.1), so the start of the
            # next request is unknown.
            self.keep_alive = False
        # No 100 may follow a final status.
        self.waiting_for_100_continue = False
        if b"content-length" in by_name:
            self.expected_content_length = int(by_name[b"content-length"])
        elif self.scope["method"] != "HEAD" and status not in _STATUSES_WITHOUT_CONTENT:
            # HTTP/1.0 has no chunked coding (RFC 9112, section 6.1).
            self._ends_by_close = self.scope["http_version"] == "1.0"
            self.chunked_encoding = not self._ends_by_close
            fields += (_CHUNKED,) if self.chunked_encoding else ()
        persistence = () if b"connection" in by_name else self._keep_alive_headers if self.keep_alive else _CLOSE
        return STATUS_LINE[status] + _render([*self.default_headers, *persistence, *fields])

    def _send_content(self, content: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            content = b""
        elif self.chunked_encoding:
            content = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
            content += b"" if more else b"0\r\n\r\n"
        elif not self._ends_by_close:
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
        if data := self._unsent_headers + content:
            self.transport.write(data)
        self._unsent_headers = b""


def _render(fields: HeaderFields) -> bytes:
    """Render a header section. Raises `RuntimeError` for control characters, which could inject a field."""
    section = b"\r\n".join([*map(b": ".join, fields), b"", b""])
    if len(section) - len(section.translate(None, _CONTROLS)) != len(_LINE_END) * (len(fields) + 1):
        raise RuntimeError("a response header contains a control character")
    return section


def _asgi_scope(request: ParsedRequest, connection: HttpToolsProtocol) -> HTTPScope:
    path = request.path.decode()
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.version,
        "server": connection.server,
        "client": connection.client,
        "scheme": "http",
        "method": request.method,
        "root_path": "",
        "path": unquote(path) if "%" in path else path,
        "raw_path": request.path,
        "query_string": request.query,
        "headers": request.headers,
        "state": {},
    }
