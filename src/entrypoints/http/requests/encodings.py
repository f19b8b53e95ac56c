"""Decompression of request bodies (RFC 9110, section 8.4), with a limit that stops decompression bombs."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus

import cramjam

from entrypoints.http.problems import HttpProblem, malformed_body

_AT_ONCE_BYTES = 1024 * 1024
"""The most output to decompress on the event loop. It takes 1 ms from gzip, 0.5 ms from zstd (2 ms from a bomb).
A thread costs a tenth more, which pays off beyond this: 8 MiB take up to 17 ms."""
_AT_ONCE_COMPRESSED = 64 * 1024
"""The most input to decompress on the event loop: empty gzip members of this size take 5 ms."""
_AT_ONCE_RATIO = 128
"""More than JSON compresses by. Limits the output buffer of a small body, which takes time to allocate."""
_FULL = "failed to write whole buffer"
"""The library's only hint that the output does not fit."""


class TooLarge(Exception):
    """The decompressed body exceeds the limit."""


def encoding_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the encoding of a body, `identity` for none. Raises `HttpProblem` with 415 if it is not supported."""
    stated = b",".join(value for name, value in headers if name == b"content-encoding")
    encoding = stated.decode("latin-1").strip().lower() or "identity"
    if encoding != "identity" and encoding not in _INFLATE:
        raise HttpProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body may be compressed once, by gzip, deflate or zstd.",
            headers=[(b"accept-encoding", b"gzip, deflate, zstd")],
        )
    return encoding


async def inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress a body. Raises `TooLarge` beyond `max_bytes`, and `HttpProblem` with 400 for damaged data."""
    decode = _INFLATE[encoding]
    if len(body) <= _AT_ONCE_COMPRESSED:
        at_once = min(max_bytes, _AT_ONCE_BYTES, _AT_ONCE_RATIO * len(body))
        try:
            return decode(body, at_once)
        except TooLarge:
            if max_bytes == at_once:
                raise
    # The libraries release the GIL.
    return await asyncio.to_thread(decode, body, max_bytes)


def _decompress(decompress_into: Callable[[bytes, bytearray], int], name: str, body: bytes, max_bytes: int) -> bytes:
    output = bytearray(max_bytes)
    try:
        length = decompress_into(body, output)
    except cramjam.DecompressionError as error:
        if str(error) == _FULL:
            raise TooLarge from None
        raise malformed_body(f"its {name} data is damaged: {str(error).lower()}") from None
    return bytes(memoryview(output)[:length])


def _undeflate(body: bytes, max_bytes: int) -> bytes:
    """Decompress `deflate`: zlib's format, or the raw format, which many clients send under that name."""
    # The zlib header: its first byte contains the method, and its two bytes are a multiple of 31.
    is_zlib = body[:1] and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
    stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise malformed_body("its deflate data is damaged") from None
    if len(inflated) > max_bytes:
        raise TooLarge
    if not stream.eof:
        raise malformed_body("its deflate data ends too early")
    if stream.unused_data:
        raise malformed_body("something follows its deflate data")
    return inflated


# Takes linear time for any number of gzip members; `zlib` copies all remaining input after each member.
_gunzip = partial(_decompress, cramjam.gzip.decompress_into, "gzip")
# A frame may declare a window of up to 128 MiB, but the library uses only as much of it as there is output.
_unzstd = partial(_decompress, cramjam.zstd.decompress_into, "zstd")
_INFLATE: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "zstd": _unzstd,
}
