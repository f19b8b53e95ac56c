"""Compressed bodies, RFC 9110 section 8.4: inflated within a bound that no bomb passes."""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

import cramjam

from entrypoints.http.problems import HttpProblem, unreadable

_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_AT_ONCE_BYTES = 1024 * 1024
"""What may be inflated within the event loop: this much takes a millisecond from gzip and half of one from zstd (two
from a bomb). A thread costs another tenth, which is worth it for more: 8 MiB take up to 17 ms."""
_AT_ONCE_COMPRESSED = 128 * 1024
"""The same for what goes in: also data that inflate to nothing at all take their time."""
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
            "The body may be compressed once, by gzip or by zstd.",
            headers=[(b"accept-encoding", b"gzip, zstd")],
        )
    return encoding


async def inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Undo the encoding of a body; raises `TooLarge` beyond `max_bytes`, and `HttpProblem` with 400 for damage."""
    decode = _INFLATE[encoding]
    if len(body) <= _AT_ONCE_COMPRESSED:
        try:
            return decode(body, min(max_bytes, _AT_ONCE_BYTES))
        except TooLarge:
            if max_bytes <= _AT_ONCE_BYTES:
                raise
    # Both libraries let other threads run meanwhile.
    return await asyncio.to_thread(decode, body, max_bytes)


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(_GZIP_FORMAT)
    try:
        inflated = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        raise unreadable("its gzip data is damaged") from None
    if len(inflated) > max_bytes:
        raise TooLarge
    if not stream.eof:
        raise unreadable("its gzip data ends too early")
    # Also another member: a body of nothing but empty ones would cost a copy of the rest for each.
    if stream.unused_data:
        raise unreadable("something follows its gzip data")
    return inflated


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    # The library takes memory for a frame's window, of which at most 128 MiB may be declared, only as it is written to:
    # no more than the output has.
    output = bytearray(max_bytes)
    try:
        length = cramjam.zstd.decompress_into(body, output)
    except cramjam.DecompressionError as error:
        if str(error) == _FULL:
            raise TooLarge from None
        raise unreadable(f"its zstd data is damaged: {str(error).lower()}") from None
    return bytes(memoryview(output)[:length])


_INFLATE: Mapping[str, _Inflate] = {"gzip": _gunzip, "x-gzip": _gunzip, "zstd": _unzstd}
