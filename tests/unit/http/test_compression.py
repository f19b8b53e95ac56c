"""Lists and exports are compressed as the client prefers."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID
from zlib import MAX_WBITS, decompressobj

import cramjam
import pytest

from application.listing import StoredEvent
from entrypoints.http.compression import CODINGS, compress, compress_chunks
from entrypoints.http.requests.accept import negotiate_coding
from tests.support.api import Api, call
from tests.support.events import NOON

LIST = "/events/processed"
MEDIA_TYPES = ["application/json", "application/x-ndjson", "text/csv"]


def decompressed(data: bytes, coding: str) -> bytes:
    """Undo a compression."""
    return gzip.decompress(data) if coding == "gzip" else bytes(cramjam.zstd.decompress(data))


def put(api: Api, count: int) -> None:
    """Put rows into the table, a second apart."""
    for number in range(1, count + 1):
        row = StoredEvent(UUID(int=number), "user-1", "LOGIN", "{}", NOON + timedelta(seconds=number), None)
        api.store.rows[row.id] = row


async def raw(api: Api, accept: str, coding: str, method: str = "GET") -> tuple[dict[bytes, bytes], bytes]:
    """Request the list; return the headers and the body as sent."""
    headers = [(b"accept", accept.encode()), (b"accept-encoding", coding.encode())]
    answer = await call(api.app, method, LIST, headers=headers)
    assert answer.status == 200
    del answer.headers[b"x-request-id"]
    return answer.headers, answer.body


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", None),
        ("identity", None),
        ("br, deflate", None),
        ("gzip", "gzip"),
        ("x, GZIP ", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("gzip;q=.9,zstd;q=.8", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.0, zstd;q=0", None),
        ("*", "zstd"),
        ("*;q=0.1, zstd;q=0", "gzip"),
        ("*;q=0", None),
        ("identity, *;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, br", None),
        ("gzip;q=nonsense", "gzip"),
        (",;q=1,", None),
    ],
)
def test_coding_is_negotiated_by_quality(header: str, coding: str | None) -> None:
    """RFC 9110, section 12.5.3. Without a preference the response is not compressed."""
    assert negotiate_coding(header, CODINGS) == coding


@pytest.mark.parametrize("accept", MEDIA_TYPES)
@pytest.mark.parametrize("coding", CODINGS)
async def test_response_uses_coding_that_client_prefers(api: Api, accept: str, coding: str) -> None:
    """`Content-Encoding` names the coding, also in HEAD; the content is the same."""
    put(api, 2_500)
    plain_headers, plain = await raw(api, accept, "identity")
    headers, sent = await raw(api, accept, coding)
    assert headers[b"content-encoding"] == coding.encode()
    assert b"content-encoding" not in plain_headers
    assert headers[b"vary"] == plain_headers[b"vary"] == b"Accept, Accept-Encoding"
    assert decompressed(sent, coding) == plain
    assert len(sent) < len(plain) / 4
    assert await raw(api, accept, coding, "HEAD") == (headers, b"")


@pytest.mark.parametrize("accept", MEDIA_TYPES)
async def test_small_response_is_not_compressed(api: Api, accept: str) -> None:
    """Compression would gain nothing."""
    put(api, 2)
    headers, sent = await raw(api, accept, "gzip")
    assert b"content-encoding" not in headers
    assert (headers, sent) == await raw(api, accept, "identity")


async def test_chunk_is_readable_before_next_exists() -> None:
    """An export arrives while it is being made."""
    asked = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"first"
        asked.set()
        yield b"second"

    compressed = compress_chunks(chunks(), "gzip")
    decoder = decompressobj(16 + MAX_WBITS)
    assert decoder.decompress(await anext(compressed)) == b"first"
    assert not asked.is_set()
    rest = b"".join([chunk async for chunk in compressed])
    assert decoder.decompress(rest) == b"second"
    assert decoder.eof


@pytest.mark.parametrize("coding", CODINGS)
async def test_closing_compressed_stream_closes_its_source(coding: str) -> None:
    """If a client disconnects, the database session must be released."""
    closed = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            yield b"second"
        finally:
            closed.set()

    compressed = compress_chunks(chunks(), coding)
    await anext(compressed)
    await compressed.aclose()
    assert closed.is_set()


@pytest.mark.parametrize("coding", CODINGS)
async def test_compressing_large_page_does_not_block_event_loop(coding: str) -> None:
    """Piece by piece, so that no request waits for the whole."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    page = b'{"user_id":"user-1"}' * 100_000
    assert decompressed(await compress(page, coding), coding) == page
    waiting.cancel()
    assert turns >= 10
