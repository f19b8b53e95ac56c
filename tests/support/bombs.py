"""Small bodies that want to become large, and the parts to make them of; zstd's frames as RFC 8878 has them."""

import gzip
import zlib

import cramjam

_MAGIC = b"\x28\xb5\x2f\xfd"
_RAW, _RLE = 0, 1
_BLOCK_BYTES = 128 * 1024
_LAST = 1


def zstd(data: bytes) -> bytes:
    """Compress as clients do, the length of `data` declared."""
    return bytes(cramjam.zstd.compress(data, 3))


def raw_deflate(data: bytes) -> bytes:
    """Compress as many clients understand `deflate`, without zlib's frame."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def members(data: bytes) -> bytes:
    """Compress `data` by halves, each a gzip member, with one of nothing between them."""
    middle = len(data) // 2
    return b"".join(map(gzip.compress, (data[:middle], b"", data[middle:])))


def gzip_bomb(size: int) -> bytes:
    """Compress `size` zero bytes."""
    compressor = zlib.compressobj(9, wbits=31)
    chunks = [compressor.compress(bytes(1024 * 1024)) for _ in range(size // (1024 * 1024))]
    return b"".join([*chunks, compressor.flush()])


def window_bomb(window_log: int, size: int) -> bytes:
    """Make a zstd frame that declares a window of 2 ** `window_log` bytes, and has `size` bytes of content."""
    return _MAGIC + bytes([0, (window_log - 10) << 3]) + _repeated(size)


def length_bomb(declared: int, size: int) -> bytes:
    """Make a zstd frame that declares its length, and by it its window, and has `size` bytes of content."""
    return _MAGIC + b"\xe0" + declared.to_bytes(8, "little") + _repeated(size)


def empty_frames(size: int) -> bytes:
    """Make `size` bytes of zstd frames of nothing."""
    frame = _MAGIC + b"\x20\x00" + _block(_RAW, 0, b"", _LAST)
    return frame * (size // len(frame))


def skipped_frames(size: int) -> bytes:
    """Make `size` bytes of zstd frames to be skipped."""
    return (b"\x50\x2a\x4d\x18" + bytes(4)) * (size // 8)


def empty_members(size: int) -> bytes:
    """Make `size` bytes of gzip members of nothing."""
    member = gzip.compress(b"")
    return member * (size // len(member))


def _repeated(size: int) -> bytes:
    whole, rest = divmod(size, _BLOCK_BYTES)
    return _block(_RLE, _BLOCK_BYTES, b"a", 0) * whole + _block(_RLE, rest, b"a", _LAST)


def _block(kind: int, size: int, content: bytes, last: int) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content
