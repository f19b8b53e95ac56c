"""Responses as plain ASGI applications, so that routes, middleware and error handlers can all send them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from litestar.types import Receive, Scope, Send

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
        headers = [*self.headers]
        if self.status != HTTPStatus.NO_CONTENT:
            length = b"%d" % len(self.body)
            headers = [(b"content-type", self.media_type.encode()), (b"content-length", length), *headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_head(scope) else self.body, "more_body": False})


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
            await send({"type": "http.response.start", "status": 200, "headers": self.headers})
            if not is_head(scope):
                async for chunk in self.chunks:
                    # `send` does not report that the client has disconnected.
                    if disconnected.done():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Unavailable as error:
            logger.warning("export aborted", error=type(error).__name__, cause=str(error))
        finally:
            disconnected.cancel()
            await self.chunks.aclose()


def is_head(scope: Scope) -> bool:
    """Return whether this is a HEAD request."""
    return scope.get("method") == "HEAD"


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
