"""Compressed request bodies, and decompression bombs."""

import asyncio
import gzip
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable

import pytest

from entrypoints.http.problems import HttpProblem
from entrypoints.http.requests import encodings
from entrypoints.http.requests.encodings import TooLarge, inflate
from tests.support import bombs
from tests.support.api import MAX_BATCH_BYTES, MAX_BODY_BYTES, TOPIC, Api

JSON = (b"content-type", b"application/json")
GOOD = b'{"userId":"user-1","eventType":"LOGIN"}'
PATHS = {"/events/generate": (GOOD, 201, MAX_BODY_BYTES), "/events/batch": (b"[%b]" % GOOD, 200, MAX_BATCH_BYTES)}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": bombs.zstd,
}
MIB = 1024 * 1024
LINES = b"".join(
    b'{"userId":"user-%07d","eventType":"PRODUCT_VIEW","payload":{}}\n' % number for number in range(MIB // 63 + 1)
)
"""A mebibyte that compresses about as well as JSON."""
BATCH_BYTES = 8 * MIB
"""The default of MAX_BATCH_BYTES."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        *COMPRESS.items(),
        ("X-GZIP", gzip.compress),
        ("gzip", bombs.members),
        ("Deflate", bombs.raw_deflate),
        (" Zstd ", bombs.zstd),
        ("identity", bytes),
    ],
)
async def test_compressed_body_is_read(api: Api, path: str, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """Names of encodings in any spelling, gzip with any number of members, deflate with and without zlib's header."""
    body, status, _ = PATHS[path]
    headers = [JSON, (b"content-encoding", encoding.encode())]
    response = await api.client.post(path, content=compress(body), headers=headers)
    assert response.status_code == status
    assert len(api.log.records(TOPIC)) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "stated", [["br"], ["deflate, gzip"], ["gzip, gzip"], ["gzip", "gzip"], ["gzip, identity"], ["zstd,gzip"], ["\xe9"]]
)
async def test_unsupported_encoding_gets_415(api: Api, path: str, stated: list[str]) -> None:
    """Also a supported one that is stated twice."""
    headers = [JSON, *((b"content-encoding", encoding.encode("latin-1")) for encoding in stated)]
    response = await api.client.post(path, content=gzip.compress(PATHS[path][0]), headers=headers)
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd"
    assert api.log.records(TOPIC) == []


ARRAY = b"[%b]" % GOOD
GZIPPED, ZSTD = gzip.compress(ARRAY, mtime=0), bombs.zstd(ARRAY)
ZLIB, RAW = zlib.compress(ARRAY), bombs.raw_deflate(ARRAY)


@pytest.mark.parametrize(
    ("encoding", "damaged"),
    [
        *(("gzip", damaged) for damaged in (b"", b"x", GOOD, GZIPPED[:5], GZIPPED[:-1], GZIPPED[:-9])),
        ("gzip", GZIPPED[:-8] + bytes(8)),
        ("gzip", GZIPPED + GZIPPED[:9]),
        ("gzip", GZIPPED + b"\n"),
        ("gzip", GZIPPED + bytes(512)),
        ("gzip", zlib.compress(GOOD)),
        ("gzip", ZSTD),
        *(("deflate", damaged) for damaged in (b"", b"\x78", ZLIB[:1], ZLIB[:5], ZLIB[:-1], ZLIB + b"\n", ZLIB + ZLIB)),
        ("deflate", ZLIB[:-4] + bytes(4)),
        *(("deflate", damaged) for damaged in (RAW[:1], RAW[:-1], RAW + b"\n", GZIPPED, GOOD)),
        *(("zstd", damaged) for damaged in (b"", b"x", GOOD, ZSTD[:3], ZSTD[:5], ZSTD[:-1], ZSTD + b"\n")),
        ("zstd", GZIPPED),
        ("zstd", bombs.window_bomb(28, 1)),
        ("zstd", bombs.window_bomb(41, 1)),
        ("zstd", bombs.length_bomb(1 << 63, 1)),
        ("zstd", bombs.length_bomb(120 * MIB, 1)),
        ("zstd", b"\x50\x2a\x4d\x18\xff\xff\xff\xff"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.hex()[:40],
)
async def test_damaged_body_gets_400(api: Api, encoding: str, damaged: bytes) -> None:
    """Truncated or trailing data, another format, or a window that is too large."""
    headers = [JSON, (b"content-encoding", encoding.encode())]
    response = await api.client.post("/events/batch", content=damaged, headers=headers)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("The body cannot be read: ")
    assert api.log.records(TOPIC) == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", COMPRESS)
async def test_decompressed_body_over_limit_gets_413(api: Api, path: str, encoding: str) -> None:
    """The limit applies to the decompressed body."""
    body, status, most = PATHS[path]
    headers = [JSON, (b"content-encoding", encoding.encode())]
    padded = body + b" " * (most - len(body))
    taken = await api.client.post(path, content=COMPRESS[encoding](padded), headers=headers)
    refused = await api.client.post(path, content=COMPRESS[encoding](padded + b" "), headers=headers)
    assert (taken.status_code, refused.status_code) == (status, 413)
    assert refused.json()["detail"] == f"The body must not be larger than {most} bytes once it is inflated."


async def test_compressed_body_over_limit_gets_413(api: Api) -> None:
    """However small the decompressed body would be."""
    headers = [JSON, (b"content-encoding", b"zstd")]
    body = bombs.skipped_frames(MAX_BATCH_BYTES + 8)
    response = await api.client.post("/events/batch", content=body, headers=headers)
    assert response.status_code == 413


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_large_body_is_decompressed_in_thread(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one on the event loop, because a thread would cost more."""
    threads: list[threading.Thread] = []
    decode = encodings._INFLATE[encoding]

    def watched(body: bytes, max_bytes: int) -> bytes:
        threads.append(threading.current_thread())
        return decode(body, max_bytes)

    monkeypatch.setitem(encodings._INFLATE, encoding, watched)
    for size in (16, MIB, MIB + 16, BATCH_BYTES):
        content = (LINES * 8)[:size]
        threads.clear()
        assert await inflate(COMPRESS[encoding](content), encoding, BATCH_BYTES) == content
        assert (threads[-1] is threading.main_thread()) == (size <= MIB)


async def test_empty_gzip_members_take_linear_time() -> None:
    """A mebibyte of them takes a quarter of a second; zlib alone would copy 27 GB."""
    async with asyncio.timeout(5):
        assert await inflate(bombs.empty_members(MIB), "gzip", BATCH_BYTES) == b""


@pytest.mark.parametrize(
    ("encoding", "bomb", "error"),
    [
        ("gzip", bombs.gzip_bomb(64 * MIB), TooLarge),
        ("gzip", bombs.gzip_bomb(MIB) * 64, TooLarge),
        ("deflate", zlib.compress(bytes(64 * MIB)), TooLarge),
        ("zstd", bombs.length_bomb(100 * MIB, 100 * MIB), TooLarge),
        ("zstd", bombs.length_bomb(1 << 40, MIB), HttpProblem),
        ("zstd", bombs.window_bomb(27, 1024 * MIB), TooLarge),
        ("zstd", bombs.window_bomb(10, 1024 * MIB), HttpProblem),
    ],
    ids=["zeros", "members", "deflate", "length", "false length", "window", "small window"],
)
async def test_decompression_bomb_gets_413(encoding: str, bomb: bytes, error: type[Exception]) -> None:
    """Whatever size it declares."""
    with pytest.raises(error):
        await inflate(bomb, encoding, BATCH_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_decompression_bombs_use_bounded_memory() -> None:
    """At most three times the limit: for the output, a copy, and the window."""
    ended = subprocess.run([sys.executable, "-c", EXPLODE], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert int(ended.stdout) < 3 * BATCH_BYTES + MIB


EXPLODE = f"""
import zlib
from pathlib import Path
from contextlib import suppress
from entrypoints.http.requests import encodings
from entrypoints.http.problems import HttpProblem
from tests.support import bombs

def peak():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

prepared = [
    ("gzip", bombs.gzip_bomb(512 * {MIB})),
    ("gzip", bombs.gzip_bomb({MIB}) * 64),
    ("gzip", bombs.empty_members({MIB})),
    ("deflate", zlib.compress(bytes(64 * {MIB}))),
    ("zstd", bombs.length_bomb(100 * {MIB}, 100 * {MIB})),
    ("zstd", bombs.length_bomb(1 << 40, {MIB})),
    ("zstd", bombs.window_bomb(27, 1024 * {MIB})),
    ("zstd", bombs.window_bomb(20, 1024 * {MIB})),
    ("zstd", bombs.empty_frames({BATCH_BYTES})),
    ("zstd", bombs.skipped_frames({BATCH_BYTES})),
]
before = peak()
for encoding, bomb in prepared:
    with suppress(encodings.TooLarge, HttpProblem):
        encodings._INFLATE[encoding](bomb, {BATCH_BYTES})
print(peak() - before)
"""
"""In a separate process, so that other tests do not affect the peak."""
