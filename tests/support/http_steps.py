"""Steps that tests of the HTTP server on real connections share."""

import asyncio
import gc
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from application.listing import StoredEvent
from tests.support.api import Api
from tests.support.events import NOON
from tests.support.server import read_head
from tests.support.waiting import PATIENCE

T = TypeVar("T")
Send = Callable[[Any], Awaitable[None]]

EVENT = b'{"userId":"u","eventType":"LOGIN"}'
GET = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
LAST_GET = GET.replace(b"Host", b"Connection: close\r\nHost")
EXPORT = b"GET /events/processed HTTP/1.1\r\nHost: api\r\nAccept: text/csv\r\n\r\n"
POST_HEADERS = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
"""Without the framing and the empty line."""
POST = POST_HEADERS + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
CHUNKED_POST = POST_HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"
"""Without the chunks."""


async def read_content(reader: asyncio.StreamReader, headers: str) -> bytes:
    """Read the content of a response, whose headers are in lower case."""
    return await reader.readexactly(int(headers.partition("content-length: ")[2].split()[0]))


class Watched:
    """An application with events for the start of a request, each kind of message that it receives, and its end."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.begun = asyncio.Event()
        self.received: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.finished = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def receive_and_tell() -> Any:
            message = await receive()
            self.received[message["type"]].set()
            return message

        self.begun.set()
        await self._app(scope, receive_and_tell, send)
        if scope["type"] == "http":
            self.finished.set()


async def read_problem(reader: asyncio.StreamReader, expected: int) -> dict[str, Any]:
    """Read and return the problem document that is the last response on a connection."""
    status, head = await read_head(reader)
    body = await read_content(reader, head)
    # What the server has not read before it closed is answered with a reset.
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    document: dict[str, Any] = json.loads(body)
    assert (status, document["status"]) == (expected, expected)
    assert set(document) == {"type", "title", "status", "detail", "instance", "requestId"}
    for header in (
        "content-type: application/problem+json",
        f"x-request-id: {document['requestId']}".lower(),
        "connection: close",
    ):
        assert f"\r\n{header}\r\n" in head
    return document


@contextmanager
def no_garbage_collection() -> Iterator[Callable[[type[T]], list[T]]]:
    """Switch the garbage collector off; yield a function that returns all objects of a type."""
    gc.collect()
    gc.disable()
    try:
        yield lambda kind: [each for each in gc.get_objects() if isinstance(each, kind)]
    finally:
        gc.enable()


def fill(api: Api, count: int, payload_bytes: int = 2) -> None:
    """Insert rows into the table."""
    payload = json.dumps({"a": "x" * payload_bytes})
    for number in range(1, count + 1):
        row = StoredEvent(UUID(int=number), "u", "LOGIN", payload, NOON + timedelta(seconds=number), None)
        api.store.rows[row.id] = row


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes or resets the connection."""
    read = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while some := await reader.read(100_000):
                read += some
    return read


def statuses(answers: bytes) -> list[int]:
    """Return the statuses of complete responses."""
    return [int(answer[:3]) for answer in answers.split(b"HTTP/1.1 ")[1:]]


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until the condition is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


class Torrent:
    """An application whose response exceeds all buffers."""

    def __init__(self, *, in_pieces: bool) -> None:
        self._in_pieces = in_pieces
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, _scope: object, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        size = 50_000_000
        await receive()
        self.begun.set()
        fields = [] if self._in_pieces else [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        step = 100_000 if self._in_pieces else size
        for _ in range(0, size, step):
            await send({"type": "http.response.body", "body": b"x" * step, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.ended.set()


async def aborted_response(_scope: object, _receive: object, send: Send) -> None:
    """Send an incomplete response."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
