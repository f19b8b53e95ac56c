"""Compression of responses by gzip or zstd, in pieces, so that it never blocks the event loop for long."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

import cramjam

MIN_BYTES = 1024
"""Smaller bodies gain nothing."""
_PIECE_BYTES = 128 * 1024
"""Takes a millisecond. A thread would not help, because the zstd library holds the GIL."""
_LEVEL = 1
"""For both libraries: twice as fast as the default, for at most a tenth more bytes."""
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class _Stream(Protocol):
    """Compresses a stream. Each method returns the output that is ready."""

    def add(self, data: bytes) -> bytes:
        """Compress more data."""

    def flush(self) -> bytes:
        """Return output for all data so far, so that a client can decompress it now."""

    def finish(self) -> bytes:
        """Return the remaining output and the end of the stream."""


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, wbits=_GZIP_FORMAT)

    def add(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self) -> None:
        self._stream = cramjam.zstd.Compressor(_LEVEL)

    def add(self, data: bytes) -> bytes:
        self._stream.compress(data)
        return b""

    def flush(self) -> bytes:
        return bytes(self._stream.flush())

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


_STREAMS: Mapping[str, type[_Gzip | _Zstd]] = {"zstd": _Zstd, "gzip": _Gzip}
CODINGS = (*_STREAMS,)
"""In order of preference."""


async def compress(body: bytes, coding: str) -> bytes:
    """Compress a whole body by one of `CODINGS`."""
    stream = _STREAMS[coding]()
    return await _add(stream, body) + stream.finish()


async def compress_chunks(chunks: AsyncGenerator[bytes, None], coding: str) -> AsyncGenerator[bytes, None]:
    """Compress a stream; a client can decompress each chunk as it arrives."""
    stream = _STREAMS[coding]()
    async with aclosing(chunks):
        async for chunk in chunks:
            yield await _add(stream, chunk) + stream.flush()
    yield stream.finish()


async def _add(stream: _Stream, data: bytes) -> bytes:
    output = []
    for start in range(0, len(data), _PIECE_BYTES):
        output.append(stream.add(data[start : start + _PIECE_BYTES]))
        await asyncio.sleep(0)
    return b"".join(output)
