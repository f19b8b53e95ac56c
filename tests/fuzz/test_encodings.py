"""Compressed bodies: inflated as they were, within their bound, or refused."""

import gzip
import zlib
from collections.abc import Callable
from http import HTTPStatus

from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests.encodings import TooLarge, encoding_of, inflate
from tests.fuzz.damage import damaged
from tests.support.bombs import length_bomb, members, raw_deflate, window_bomb, zstd

_MAX_BYTES = 4_096
_PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "members": ("x-gzip", members),
    "deflate": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd),
}
_FRAGMENTS = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18\x04\0\0\0", b"\xff\xff\xff\xff", b"\0" * 8]

packers = st.sampled_from([*_PACK.values()])
encodings = st.sampled_from(["gzip", "x-gzip", "deflate", "zstd"])
contents = st.binary(max_size=200) | st.builds(
    lambda byte, length: byte * length, st.binary(min_size=1, max_size=3), st.integers(0, 3_000)
)


@given(packer=packers, content=contents)
async def test_content_is_inflated_as_it_was_or_too_large(
    packer: tuple[str, Callable[[bytes], bytes]], content: bytes
) -> None:
    """To the byte, on both sides of the bound."""
    encoding, pack = packer
    try:
        assert await inflate(pack(content), encoding, _MAX_BYTES) == content
    except TooLarge:
        assert len(content) > _MAX_BYTES


bombs = st.builds(window_bomb, st.integers(10, 41), st.integers(0, 9_000)) | st.builds(
    length_bomb, st.integers(0, (1 << 64) - 1), st.integers(0, 9_000)
)


@given(encoding=encodings, packer=packers, content=contents, data=st.data())
async def test_any_bytes_are_inflated_within_the_bound_or_refused(
    encoding: str, packer: tuple[str, Callable[[bytes], bytes]], content: bytes, data: st.DataObject
) -> None:
    """Damaged, of another encoding, or made to want more memory than they are worth."""
    packed = data.draw(damaged(st.just(packer[1](content)) | bombs, _FRAGMENTS, most=2))
    try:
        assert len(await inflate(packed, encoding, _MAX_BYTES)) <= _MAX_BYTES
    except TooLarge:
        pass
    except HttpProblem as refusal:
        assert refusal.status is HTTPStatus.BAD_REQUEST


@given(
    values=st.lists(
        damaged(encodings.map(str.encode), [b",", b" ", b"identity", b"br", b"\xff", b";q=1"], most=1), max_size=3
    )
)
def test_any_statement_is_one_encoding_or_refused(values: list[bytes]) -> None:
    """Whatever the fields say together."""
    try:
        encoding = encoding_of([(b"content-encoding", value) for value in values])
    except HttpProblem as refusal:
        assert refusal.status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    else:
        assert encoding in {"identity", "gzip", "x-gzip", "deflate", "zstd"}
