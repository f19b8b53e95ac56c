"""Compressed bodies, RFC 9110 section 8.4: inflated within a bound that no bomb passes."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

import cramjam

from entrypoints.http.problems import HttpProblem, unreadable

_AT_ONCE_BYTES = 1024 * 1024
"""What may be inflated within the event loop: this much takes a millisecond from gzip and half of one from zstd (two
from a bomb). A thread costs another tenth, which is worth it for more: 8 MiB take up to 17 ms."""
_AT_ONCE_COMPRESSED = 64 * 1024
"""The same for what goes in: gzip members of nothing take some 5 ms."""
_AT_ONCE_RATIO = 128
"""More than JSON is compressed by. Bounds the memory that a small body is inflated into, which costs time as well."""
_FULL = "failed to write whole buffer"
"""All that the library says when the output does not fit."""

_Inflate = Callable[[bytes, int], bytes]


class TooLarge(Exception):
    """The body is larger than the bound once it is inflated."""


def encoding_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the one encoding of a body, `identity` for none. Raises `HttpProblem` with 415 for any other."""
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
    """Undo the encoding of a body; raises `TooLarge` beyond `max_bytes`, and `HttpProblem` with 400 for damage."""
    decode = _INFLATE[encoding]
    if len(body) <= _AT_ONCE_COMPRESSED:
        at_once = min(max_bytes, _AT_ONCE_BYTES, _AT_ONCE_RATIO * len(body))
        try:
            return decode(body, at_once)
        except TooLarge:
            if max_bytes == at_once:
                raise
    # The libraries let other threads run meanwhile.
    return await asyncio.to_thread(decode, body, max_bytes)


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    # Reads any number of members in linear time, which zlib alone does not: it copies what follows each of them.
    return _decompress(cramjam.gzip.decompress_into, "gzip", body, max_bytes)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    # The library takes memory for a frame's window, of which at most 128 MiB may be declared, only as it is written to:
    # no more than the output has.
    return _decompress(cramjam.zstd.decompress_into, "zstd", body, max_bytes)


def _decompress(decompress_into: Callable[[bytes, bytearray], int], name: str, body: bytes, max_bytes: int) -> bytes:
    output = bytearray(max_bytes)
    try:
        length = decompress_into(body, output)
    except cramjam.DecompressionError as error:
        if str(error) == _FULL:
            raise TooLarge from None
        raise unreadable(f"its {name} data is damaged: {str(error).lower()}") from None
    return bytes(memoryview(output)[:length])


def _undeflate(body: bytes, max_bytes: int) -> bytes:
    """Undo `deflate`: zlib's format, or the raw one, which many clients send in its place."""
    # Of zlib's two first bytes one names the method, and both are a multiple of 31.
    is_zlib = body[:1] and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
    stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise unreadable("its deflate data is damaged") from None
    if len(inflated) > max_bytes:
        raise TooLarge
    if not stream.eof:
        raise unreadable("its deflate data ends too early")
    if stream.unused_data:
        raise unreadable("something follows its deflate data")
    return inflated


_INFLATE: Mapping[str, _Inflate] = {"gzip": _gunzip, "x-gzip": _gunzip, "deflate": _undeflate, "zstd": _unzstd}
