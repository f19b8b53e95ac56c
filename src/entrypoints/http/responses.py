"""Answers as plain ASGI applications, so that routes, middleware and error handlers of any kind can send them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from litestar.types import Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent, HTTPResponseStartEvent

from domain.errors import Unavailable
from entrypoints.http.headers import Fields, Headers

JSON = "application/json"

_NO_CONTENT = HTTPStatus.NO_CONTENT.value
"""Looked up once, as looking up an enumeration's member is slow in Python 3.11."""

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reply:
    """A whole answer; a HEAD request gets its headers only."""

    status: int
    body: bytes
    headers: Fields = ()
    """Beside those that describe the body."""
    media_type: str = JSON

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send(_start(self.status, self.fields()))
        await send(_body(b"" if is_head(scope) else self.body, more=False))

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Render all headers, those that describe the body among them; a 204 has no body."""
        if self.status == _NO_CONTENT:
            return [*self.headers]
        return [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]


Answer = Callable[[Scope, Receive, Headers], Awaitable[Reply]]
"""Serves a request with these headers; what it raises is answered with a problem document."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A 200 of chunks made on the way.

    An outage on the way leaves the answer unfinished, and the server then breaks the connection off: a client must not
    take half of it for the whole. So it does when the client does not read on.
    """

    chunks: AsyncGenerator[bytes, None]
    headers: Fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await send(_start(200, self.headers))
            if is_head(scope) or await self._send_chunks(send, gone):
                await send(_body(b"", more=False))
        except Unavailable as error:
            logger.warning("export broken off", error=type(error).__name__, cause=str(error))
        finally:
            gone.cancel()
            await self.chunks.aclose()

    async def _send_chunks(self, send: Send, gone: asyncio.Task[None]) -> bool:
        """Send all chunks; False when there is nobody left to send them to, of which `send` itself says nothing."""
        async for chunk in self.chunks:
            if gone.done():
                return False
            await send(_body(chunk, more=True))
        return True


def is_head(scope: Scope) -> bool:
    """Tell whether the client wants the headers only."""
    return scope.get("method") == "HEAD"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: Fields) -> HTTPResponseStartEvent:
    return {"type": "http.response.start", "status": int(status), "headers": [*headers]}


def _body(body: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
