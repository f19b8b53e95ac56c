"""The costs of a client that floods a port, for the server and for other clients."""

import asyncio
import math
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.floods.floodable import Floodable, floodable
from tests.support.server import exchange
from tests.support.waiting import eventually

FLOOD_BYTES = 100_000_000
MOST_MIB = 50
_KEPT_MIB = 20
"""The allocator may keep this much."""
P99_SECONDS = 0.25
_FEWEST_REQUESTS = 200
_STALL_SECONDS = 0.5
"""A flood ends when the server reads nothing for this long."""

EVENT = b'{"userId":"u","eventType":"LOGIN"}'
GET = b"GET /health HTTP/1.1\r\nHost: api\r\n"
POST = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
WHOLE_POST = POST + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NOTHING = POST.replace(b"generate", b"nothing")
LONG = b"Content-Length: %d\r\n\r\n" % FLOOD_BYTES
LIST = b"GET /events/processed?limit=1000 HTTP/1.1\r\nHost: api\r\n"
CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"


@dataclass(frozen=True)
class Flood:
    """A flood sends `begin` once and then `fill` repeatedly; it reads no response."""

    begin: bytes = b""
    fill: bytes = b""


FLOODS = {
    "request line": Flood(b"GET /", b"a"),
    "method": Flood(fill=b"A"),
    "header's name": Flood(GET, b"a"),
    "header's value": Flood(GET + b"A: ", b"b"),
    "headers": Flood(GET, b"A: b\r\n"),
    "zeros of a size": Flood(CHUNKED, b"0"),
    "chunk extension": Flood(CHUNKED + b"1;", b"a"),
    "chunk extensions": Flood(CHUNKED, b"1;" + b"a" * 100 + b"\r\n \r\n"),
    "tiny chunks": Flood(CHUNKED, b"1\r\n \r\n"),
    "trailer": Flood(CHUNKED + b"0\r\nA: ", b"b"),
    "trailers": Flood(CHUNKED + b"0\r\n", b"A: b\r\n"),
    "empty lines": Flood(fill=b"\r\n"),
    "empty lines between requests": Flood(GET + b"\r\n", b"\r\n"),
    "requests": Flood(fill=GET + b"\r\n"),
    "events": Flood(fill=WHOLE_POST),
    "refused body": Flood(NOTHING + LONG, b" "),
    "refused body in chunks": Flood(NOTHING + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    "large body": Flood(POST + LONG, b" "),
    "large body in chunks": Flood(CHUNKED, CHUNK),
    "large batch in chunks": Flood(CHUNKED.replace(b"generate", b"batch"), CHUNK),
    "no HTTP": Flood(b"nonsense\r\n\r\n", b"a"),
    "behind the last request": Flood(GET + b"Connection: close\r\n\r\n", b"a"),
    "pages": Flood(fill=LIST + b"\r\n"),
    "export": Flood(LIST.replace(b"?limit=1000", b"") + b"Accept: text/csv\r\n\r\n"),
    "exports": Flood((LIST.replace(b"?limit=1000", b"") + b"Accept: application/x-ndjson\r\n\r\n") * 16),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Floodable]:
    """One process for all floods, so that leaks of one affect the next."""
    with floodable() as process:
        yield process


def pour(flood: Flood, port: int, connections: ExitStack) -> None:
    """Send 100 MB, over a new connection when the server closes one; stop when it no longer reads."""
    segment = flood.fill * math.ceil(0x10000 / max(1, len(flood.fill)))
    sent = 0
    while sent < FLOOD_BYTES:
        connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_STALL_SECONDS))
        try:
            connection.sendall(flood.begin)
            while segment and sent < FLOOD_BYTES:
                sent += connection.send(segment)
        except TimeoutError:
            return
        except OSError:
            continue
        if not segment:
            return


async def post_until(flooded: "asyncio.Task[None]", server: Floodable) -> list[float]:
    """Publish events one by one, each on a new connection; return the duration of each in seconds."""
    seconds: list[float] = []
    while not flooded.done() or len(seconds) < _FEWEST_REQUESTS:
        started = time.perf_counter()
        status, _ = await exchange(server.api_port, WHOLE_POST)
        seconds.append(time.perf_counter() - started)
        assert status == 201
    return seconds


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("kind", ["api", "consumer"])
async def test_flood_uses_bounded_memory_and_delays_nobody(server: Floodable, kind: str, name: str) -> None:
    """It uses little memory, returns it, and does not delay the events of others."""
    port = server.api_port if kind == "api" else server.health_port
    server.forget_peak()
    before = server.memory()
    with ExitStack() as connections:
        flooded = asyncio.create_task(asyncio.to_thread(pour, FLOODS[name], port, connections))
        seconds = sorted(await post_until(flooded, server))
        await flooded
        assert server.peak() - before <= MOST_MIB
    assert seconds[int(0.99 * len(seconds))] < P99_SECONDS

    async def is_back() -> bool:
        return server.memory() - before <= _KEPT_MIB

    await eventually(is_back, "back")
