"""Fields behind a body: RFC 9112, section 7.1.2; RFC 9110, section 6.5.1."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed


def cases() -> Iterator[Case]:
    """Make all cases."""
    for trailer in (
        b"A: b",
        b"A:",
        b"A: b\r\nC: d",
        b"A: \xff",
        b"Digest: x",
        b"a" * 1_000 + b": b",
        b"A: " + b"b" * 1_000,
    ):
        yield from framed(f"trailer {trailer[:20]!r}", [http.CHUNKED], _behind(trailer), 201)
        yield from framed(f"trailer {trailer[:20]!r}, told", [http.CHUNKED, b"Trailer: A"], _behind(trailer), 201)
    for trailer in (
        *(
            b"Content-Type: text/plain",
            b"Content-Encoding: gzip",
            b"X-Request-ID: trailing",
            b"Authorization: x",
            b"Range: x",
        ),
        *(
            b"Host: b",
            b"Host: a b",
            b"Expect: 100-continue",
            b"Expect: x",
            b"Trailer: A",
            b"Cookie: x",
            b"TE: trailers",
        ),
        *(b"Content-Length: 5", b"Content-Length: x", b"Content-Length: 0", b"Content-Length: 5\r\nContent-Length: 6"),
        *(
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"Transfer-Encoding: x, chunked",
            b"Transfer-Encoding:",
        ),
        *(b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade\r\nUpgrade: h2c", b"Connection: x"),
        *(
            b"Upgrade: h2c",
            b"Upgrade: websocket",
            b"Keep-Alive: timeout=1",
            b"Proxy-Connection: close",
            b"HTTP2-Settings: a",
        ),
        *(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Connection: close\r\nContent-Length: 100"),
    ):
        # A server may refuse what sets framing or connection, or take no notice; it must not obey.
        yield from framed(f"no trailer {trailer!r}", [http.CHUNKED], _behind(trailer), {201, 400}, end=End.EITHER)
    yield from _followed()
    for trailer in (
        *(
            b"nonsense",
            b": b",
            b" A: b",
            b"A : b",
            b"A\t: b",
            b"A: b\x00",
            b"\xff: b",
            b"A(: b",
            b"A B: c",
            b"\x00",
            b"a\x01: b",
        ),
        *(b"GET /health HTTP/1.1", b"A", b"\x7f: b"),
    ):
        yield from framed(f"malformed trailer {trailer!r}", [http.CHUNKED], _behind(trailer), 400, end=End.CLOSES)
    for trailer in (b"A: b\r\n c", b"A: b\r\n\tc", b"A: b\nC: d", b"A: b\rc", b"A: b\x01"):
        yield from framed(f"odd trailer {trailer!r}", [http.CHUNKED], _behind(trailer), {201, 400}, end=End.EITHER)


def _behind(trailers: bytes) -> bytes:
    return http.CHUNKS + b"0\r\n" + trailers + b"\r\n\r\n"


def _followed() -> Iterator[Case]:
    """Behind them is another body, which they must not frame."""
    following = http.post(b"Content-Length: %d" % len(http.EVENT), body=http.EVENT)
    for trailer in (b"A: b", b"Digest: x\r\nA: b"):
        first = http.post(http.CHUNKED, body=_behind(trailer))
        yield case(f"an event behind {trailer!r}", first + following, 201, 201)
        yield case(f"events behind {trailer!r}", first * 3 + following, 201, 201, 201, 201)
