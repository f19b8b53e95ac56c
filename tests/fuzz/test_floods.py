"""Floods: endless repetition in any state of a connection uses bounded memory."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from litestar.types import Receive, Scope, Send

from entrypoints.http.responses import HttpResponse
from tests.fuzz.connection import connected, exchange, turn

_SEGMENTS = 64
_TURNS = 300
"""Enough for the responses to the requests of a small segment."""
_MOST_BYTES = 3 * 1024 * 1024
"""For sixteen pipelined requests with headers and bodies of 64 KiB each, and their objects."""
_LEFT_BYTES = 192 * 1024
"""What may remain after the connection: caches, and the test's own bytes."""

_GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
_CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
_SIZED = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n"
STATES = [
    *[
        b"",
        b"\r\n",
        b"GE",
        b"GET /",
        b"GET /?",
        b"GET / HTTP/1.1",
        _GET[:-4],
        _GET[:-2],
        _GET[:-2] + b"X",
        _GET[:-2] + b"X:",
    ],
    *[
        _CHUNKED,
        _CHUNKED + b"0",
        _CHUNKED + b"1;",
        _CHUNKED + b"1\r\nx\r\n",
        _CHUNKED + b"0\r\n",
        _CHUNKED + b"0\r\nX: ",
    ],
    *[
        _SIZED,
        _GET,
        _GET * 17,
        _GET[:-2] + b"Connection: close\r\n\r\n",
        _GET[:-2] + b"Expect: 100-continue\r\n\r\n",
    ],
]
PIECES = [
    *[
        b"a",
        b"0",
        b" ",
        b"\r\n",
        b"\n",
        b"\r",
        b"\t",
        b"\xff",
        b"a:\r\n",
        b"a: b\r\n",
        b"X: " + b"y" * 1_000 + b"\r\n",
    ],
    *[b";a", b';a="b"', b"1\r\nx\r\n", b"400\r\n" + b"x" * 1_024 + b"\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"],
    *[_GET, _CHUNKED + b"1\r\nx\r\n0\r\n\r\n", _GET[:-2] + b"a:\r\n" * 10_000 + b"\r\n", _SIZED],
    *[
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n123456789",
        _GET[:-2] + b"X: " + b"y" * 60_000 + b"\r\n\r\n",
    ],
]


# An input is four choices, of which none is smaller than another.
@settings(max_examples=max(10, settings().max_examples // 40), phases=[Phase.generate])
@given(
    state=st.sampled_from(STATES),
    piece=st.sampled_from(PIECES),
    at_once=st.sampled_from([1_460, 64 * 1024]),
    is_answered=st.booleans(),
)
async def test_flood_uses_bounded_memory_and_releases_it(
    state: bytes, piece: bytes, at_once: int, *, is_answered: bool
) -> None:
    """Whether requests are answered or wait, and without the garbage collector."""
    answered = asyncio.Event()
    if is_answered:
        answered.set()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await answered.wait()
        await HttpResponse(200, b"{}")(scope, receive, send)

    flood = piece * (_SEGMENTS * at_once // len(piece))
    # Whatever is imported or kept for all connections is so before.
    await exchange(late, [b"X"])
    with traced() as kept:
        async with connected(late) as client:
            client.send(state)
            for start in range(0, len(flood), at_once):
                client.send(flood[start : start + at_once])
                await turn(_TURNS)
                client.received.clear()
                assert kept() < _MOST_BYTES
                if not client.is_reading():
                    break
            answered.set()
            client.received.clear()
        del client
        assert kept() < _LEFT_BYTES


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Yield a function that returns the growth of memory in bytes; the garbage collector is off."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
