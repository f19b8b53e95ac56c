"""Applications that answer with what a request is made of, each in a way of its own."""

from collections.abc import AsyncGenerator
from typing import cast

from litestar.types import HTTPScope, Receive, Scope, Send

from entrypoints.http.responses import HttpResponse, StreamedResponse


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a whole request as a whole."""
    if (body := await _read(receive)) is not None:
        await HttpResponse(200, _content(scope, body))(scope, receive, send)


async def streamed_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a whole request piece by piece, without a length."""
    if (body := await _read(receive)) is not None:
        await StreamedResponse(_halves(_content(scope, body)), ())(scope, receive, send)


async def early_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request's head, whatever comes of its body."""
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
