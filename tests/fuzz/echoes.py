"""Applications that return the parts of a request."""

from collections.abc import AsyncGenerator
from typing import cast

from litestar.types import HTTPScope, Receive, Scope, Send

from entrypoints.http.responses import HttpResponse, StreamedResponse


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Return a complete request in a complete response."""
    if (body := await _read(receive)) is not None:
        await HttpResponse(200, _content(scope, body))(scope, receive, send)


async def streamed_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Return a complete request in a stream."""
    if (body := await _read(receive)) is not None:
        await StreamedResponse(_halves(_content(scope, body)), ())(scope, receive, send)


async def early_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Return the headers of a request without reading its body."""
    await HttpResponse(200, _content(scope, b""))(scope, receive, send)


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


def _content(scope: Scope, body: bytes) -> bytes:
    request = cast("HTTPScope", scope)
    return b"%b %b?%b %b" % (request["method"].encode(), request["raw_path"], request["query_string"], body)


async def _halves(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content[: len(content) // 2]
    yield content[len(content) // 2 :]
