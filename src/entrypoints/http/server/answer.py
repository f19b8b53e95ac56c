"""One request being answered: the server's own way of sending, for clients of HTTP/1.0 and for connections that end."""

import asyncio
from collections.abc import Callable

from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from entrypoints.http.headers import Fields


class Answer(RequestResponseCycle):
    """Says whether the connection is kept, and never sends chunks to HTTP/1.0, as the server would."""

    transport: "Outgoing"
    announcement: Fields = ()
    """What is said of a connection that is kept."""
    _ends_by_close = False

    async def run_asgi(self, app: ASGI3Application) -> None:
        await super().run_asgi(app)
        if self._ends_by_close and not self.response_complete:
            # RFC 9112, section 8: the end of the connection would be that of the answer.
            self.transport.reset()

    async def receive(self) -> ASGIReceiveEvent:
        if self.body or not self.more_body:
            # RFC 9110, section 10.1.1: the client sends the content without having been asked for it.
            self.waiting_for_100_continue = False
        return await super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._prepare(message)
        elif message["type"] == "http.response.body" and self._ends_by_close:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

    def _prepare(self, start: HTTPResponseStartEvent) -> None:
        if self.waiting_for_100_continue:
            # RFC 9110, section 10.1.1: the client may leave out the content that nobody wants to read.
            self.keep_alive = False
        headers = start.get("headers", ())
        names = {name for name, _ in headers}
        if self.scope["http_version"] == "1.0" and b"content-length" not in names:
            # RFC 9112, section 6.1.
            self.chunked_encoding = False
            self._ends_by_close = True
        elif self.keep_alive and b"connection" not in names:
            start["headers"] = [*headers, *self.announcement]


class Outgoing(asyncio.Transport):
    """As much of a transport as answers use: bytes are counted, and the connection ends in its own way."""

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None], reset: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._end = end
        self.reset = reset
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
        self._end = self.reset = self._transport.close


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
        if not self.is_held:
            super().resume_reading()
