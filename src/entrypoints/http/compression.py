"""Compression of responses by gzip or zstd, in pieces, so that it never blocks the event loop for long."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import cramjam

MIN_BYTES = 1024
"""Smaller bodies gain nothing."""
_PIECE_BYTES = 128 * 1024
"""Takes a millisecond. A thread would not help, because the library holds the GIL."""
_LEVEL = 1
"""For both codings: twice as fast as the default, for at most a tenth more bytes."""

_Compressor = cramjam.gzip.Compressor | cramjam.zstd.Compressor
_COMPRESSORS: Mapping[str, type[_Compressor]] = {"zstd": cramjam.zstd.Compressor, "gzip": cramjam.gzip.Compressor}
CODINGS = (*_COMPRESSORS,)
"""In order of preference."""


async def compress(body: bytes, coding: str) -> bytes:
    """Compress a whole body by one of `CODINGS`."""
    compressor = _COMPRESSORS[coding](_LEVEL)
    await _add(compressor, body)
    return bytes(compressor.finish())


async def compress_chunks(chunks: AsyncGenerator[bytes, None], coding: str) -> AsyncGenerator[bytes, None]:
    """Compress a stream; a client can decompress each chunk as it arrives."""
    compressor = _COMPRESSORS[coding](_LEVEL)
    async with aclosing(chunks):
        async for chunk in chunks:
            await _add(compressor, chunk)
            yield bytes(compressor.flush())
    yield bytes(compressor.finish())


async def _add(compressor: _Compressor, data: bytes) -> None:
    for start in range(0, len(data), _PIECE_BYTES):
        compressor.compress(data[start : start + _PIECE_BYTES])
        await asyncio.sleep(0)
