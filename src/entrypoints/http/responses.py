"""Responses as plain ASGI applications, so that routes, middleware and error handlers can all send them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from litestar.types import Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseBodyEvent, HTTPResponseStartEvent

from domain.errors import Unavailable
from entrypoints.http.headers import HeaderFields, Headers

JSON = "application/json"

logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class HttpResponse:
    """A complete response. A HEAD request gets its headers only."""

    status: int
    body: bytes
    headers: HeaderFields = ()
    """Without Content-Type and Content-Length."""
    media_type: str = JSON

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send(_start(self.status, self.all_headers()))
        await send(_body(b"" if is_head(scope) else self.body, more=False))

    def all_headers(self) -> HeaderFields:
        """Return the headers with Content-Type and Content-Length, which a 204 does not have."""
        if self.status == HTTPStatus.NO_CONTENT:
            return self.headers
        return [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]


Handler = Callable[[Scope, Receive, Headers], Awaitable[HttpResponse]]
"""Answers a request. The caller turns exceptions into problem documents."""


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """A 200 whose content is produced while it is sent.

    After an error the response stays incomplete, and the server closes the connection, so that a client cannot take a
    partial export for a whole one.
    """

    chunks: AsyncGenerator[bytes, None]
    headers: HeaderFields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        disconnected = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await send(_start(200, self.headers))
            if is_head(scope) or await self._send_chunks(send, disconnected):
                await send(_body(b"", more=False))
        except Unavailable as error:
            logger.warning("export aborted", error=type(error).__name__, cause=str(error))
        finally:
            disconnected.cancel()
            await self.chunks.aclose()

    async def _send_chunks(self, send: Send, disconnected: asyncio.Task[None]) -> bool:
        """Send all chunks; return False if the client disconnects, which `send` does not report."""
        async for chunk in self.chunks:
            if disconnected.done():
                return False
            await send(_body(chunk, more=True))
        return True


def is_head(scope: Scope) -> bool:
    """Return whether this is a HEAD request."""
    return scope.get("method") == "HEAD"


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: HeaderFields) -> HTTPResponseStartEvent:
    return {"type": "http.response.start", "status": int(status), "headers": [*headers]}


def _body(body: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
