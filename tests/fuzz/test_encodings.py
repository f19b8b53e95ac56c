"""Compressed bodies are decompressed within their limit, or rejected."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from http import HTTPStatus

from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.encodings import TooLarge, encoding_of, inflate
from tests.fuzz.damage import damaged
from tests.support.bombs import length_bomb, window_bomb, zstd

_MAX_BYTES = 4_096
_FRAGMENTS = [
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18\x04\0\0\0",
    b"\xff\xff\xff\xff",
    b"\0" * 8,
    b"\x78\x9c",
]
_STATEMENTS = [b",", b" ", b"identity", b"br", b"\xff", b";q=1"]


def raw_deflate(content: bytes) -> bytes:
    """Compress as many a client does for `deflate`, without zlib's head and checksum."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


_PACK: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstd,
    "deflate": zlib.compress,
}
_RAW_DEFLATE = ("deflate", raw_deflate)
encodings = st.sampled_from([*_PACK])
packers = st.sampled_from([*_PACK.items(), _RAW_DEFLATE])
contents = st.binary(max_size=200) | st.builds(
    lambda piece, times: piece * times, st.binary(min_size=1, max_size=3), st.integers(0, 3_000)
)
bombs = st.builds(window_bomb, st.integers(10, 41), st.integers(0, 9_000)) | st.builds(
    length_bomb, st.integers(0, (1 << 64) - 1), st.integers(0, 9_000)
)
packed = st.builds(lambda packer, content: packer[1](content), packers, contents)


@given(packer=packers, content=contents, place=st.integers(0, 1 << 16))
async def test_content_decompresses_to_original_or_is_too_large(
    packer: tuple[str, Callable[[bytes], bytes]], content: bytes, place: int
) -> None:
    """To the byte, on both sides of the limit; truncated data is an error."""
    encoding, pack = packer
    whole = pack(content)
    assert await inflated(whole, encoding) == (content if len(content) <= _MAX_BYTES else TooLarge)
    assert not isinstance(await inflated(whole[: 1 + place % (len(whole) - 1)], encoding), bytes)


@given(first=contents, second=contents, encoding=st.sampled_from(["gzip", "zstd"]))
async def test_gzip_members_decompress_in_sequence(first: bytes, second: bytes, encoding: str) -> None:
    """As in both formats, within the limit for all of them."""
    content = first + second
    whole = _PACK[encoding](first) + _PACK[encoding](second)
    assert await inflated(whole, encoding) == (content if len(content) <= _MAX_BYTES else TooLarge)


@given(encoding=encodings, body=damaged(packed | bombs, _FRAGMENTS, most=2))
async def test_any_bytes_decompress_within_limit_or_are_rejected(encoding: str, body: bytes) -> None:
    """Damaged, of another encoding, or made to want more memory than they are worth."""
    found = await inflated(body, encoding)
    assert not isinstance(found, bytes) or len(found) <= _MAX_BYTES


@given(values=st.lists(damaged(encodings.map(str.encode), _STATEMENTS, most=1), max_size=3))
def test_any_content_encoding_is_supported_or_rejected(values: list[bytes]) -> None:
    """For any combination of fields."""
    try:
        assert encoding_of([(b"content-encoding", value) for value in values]) in {"identity", *_PACK}
    except HttpProblem as refusal:
        assert refusal.status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE


async def inflated(body: bytes, encoding: str) -> bytes | type[TooLarge] | None:
    """Decompress `body`; None if it is damaged."""
    try:
        return await inflate(body, encoding, _MAX_BYTES)
    except TooLarge:
        return TooLarge
    except HttpProblem as refusal:
        assert refusal.status is HTTPStatus.BAD_REQUEST
        return None
