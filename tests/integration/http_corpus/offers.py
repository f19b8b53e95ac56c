"""Upgrade offers, which the server ignores: RFC 9110, section 7.8."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed, refused

_LENGTH = b"Content-Length: %d" % len(http.EVENT)
_OFFERS: dict[str, tuple[bytes, ...]] = {
    "h2c": http.OFFER,
    "h2c in one field": (b"Upgrade: h2c", b"Connection: Upgrade", b"HTTP2-Settings: AAEAAEAA"),
    "h2c behind keep-alive": (b"Connection: keep-alive, Upgrade", b"Upgrade: h2c"),
    "h2c in two fields": (b"Connection: keep-alive", b"Connection: Upgrade", b"Upgrade: h2c"),
    "websocket": (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="),
    "TLS": (b"Connection: upgrade", b"Upgrade: TLS/1.0"),
    "several": (b"Connection: upgrade", b"Upgrade: h2c, websocket, x/1"),
    "twice": (b"Connection: upgrade, upgrade", b"Upgrade: h2c", b"Upgrade: websocket"),
    "not in Connection": (b"Upgrade: h2c",),
    "in Connection alone": (b"Connection: upgrade",),
    "of nothing": (b"Connection: upgrade", b"Upgrade:"),
    "in capitals": (b"CONNECTION: UPGRADE", b"UPGRADE: H2C"),
    "of this protocol": (b"Connection: upgrade", b"Upgrade: HTTP/1.1"),
}


def cases() -> Iterator[Case]:
    """Make all cases."""
    for name, offer in _OFFERS.items():
        yield case(f"{name}", http.request(http.GET, *offer), 200)
        yield case(f"{name}, HEAD", http.request(b"HEAD /health HTTP/1.1", *offer), 200, heads=[0])
        yield case(f"{name}, OPTIONS", http.request(b"OPTIONS /health HTTP/1.1", *offer), {200, 204})
        yield case(f"{name}, a body of nothing", http.request(http.GET, *offer, b"Content-Length: 0"), 200)
        yield from framed(f"{name}, by length", [*offer, _LENGTH], http.EVENT, 201)
        yield from framed(f"{name}, by length told first", [_LENGTH, *offer], http.EVENT, 201)
        yield from framed(
            f"{name}, zeros before the length", [*offer, b"Content-Length: 000%d" % len(http.EVENT)], http.EVENT, 201
        )
        yield from framed(f"{name}, chunked", [*offer, http.CHUNKED], http.CHUNKS + http.LAST_CHUNK, 201)
        yield from framed(f"{name}, trailer", [*offer, http.CHUNKED], http.CHUNKS + b"0\r\nA: b\r\n\r\n", 201)
        yield from framed(f"{name}, broken", [*offer, http.CHUNKED], b"nonsense\r\n\r\n", 400, end=End.CLOSES)
        yield case(f"{name}, expected", http.event(*offer, b"Expect: 100-continue"), 201)
        yield case(f"{name}, pipelined", (http.event(*offer) + http.request(http.GET, *offer)) * 2, 201, 200, 201, 200)
        old = http.event(*offer).replace(b"HTTP/1.1", b"HTTP/1.0")
        yield case(f"{name}, HTTP/1.0", old, 201, end=End.EITHER)
        yield case(f"{name}, no host", http.request(http.GET, *offer, host=None), 400, end=End.EITHER)
        yield refused(
            f"{name}, gzip",
            http.post(*offer, b"Transfer-Encoding: gzip, chunked", body=http.CHUNKS + http.LAST_CHUNK),
            501,
        )
        yield refused(
            f"{name}, length and chunked", http.post(*offer, _LENGTH, http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK)
        )
        yield refused(f"{name}, two lengths", http.post(*offer, _LENGTH, b"Content-Length: 3", body=http.EVENT))
    closing = (b"Connection: close, Upgrade", b"Upgrade: h2c")
    yield case("closing", http.event(*closing), 201, end=End.CLOSES)
    yield case(
        "closing, chunked", http.post(*closing, http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK), 201, end=End.CLOSES
    )
    yield case("closing, without a body", http.request(http.GET, *closing), 200, end=End.CLOSES)
    hidden = http.event().replace(b"?", b"hidden")
    length = b"Content-Length: %d" % len(hidden)
    yield from framed("an event as a body", [*http.OFFER, length], hidden, 400)
