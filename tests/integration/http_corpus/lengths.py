"""Forms of Content-Length: RFC 9112, section 6.2 and 6.3; RFC 9110, section 8.6."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed, refused

_SIZE = b"%d" % len(http.EVENT)


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _good()
    yield from _open_to_the_server()
    yield from _bad()
    yield from _wrong()


def _good() -> Iterator[Case]:
    for name, length in (
        ("plain", _SIZE),
        *((f"{zeros} zeros in front", b"0" * zeros + _SIZE) for zeros in (1, 2, 18, 19, 20, 100, 4_300, 5_000)),
    ):
        yield from framed(name, [b"Content-Length: " + length], http.EVENT, 201)
    for field in (b"content-length: ", b"CONTENT-LENGTH:", b"Content-Length:  ", b"Content-Length:\t"):
        yield from framed(f"written {field!r}", [field + _SIZE], http.EVENT, 201)
        yield from framed(f"written {field!r}, blank behind", [field + _SIZE + b" \t"], http.EVENT, 201)
    for zero in (b"0", b"00", b"0" * 100):
        yield case(f"{len(zero)} zeros alone", http.request(http.GET, b"Content-Length: " + zero), 200)
        yield case(f"{len(zero)} zeros alone, an event", http.post(b"Content-Length: " + zero, body=b""), 400)
    yield case("none", http.post(body=b""), {400, 411})


def _open_to_the_server() -> Iterator[Case]:
    for value in (_SIZE + b"," + _SIZE, _SIZE + b", " + _SIZE, _SIZE + b",", b"," + _SIZE):
        yield from framed(f"list {value!r}", [b"Content-Length: " + value], http.EVENT, {201, 400}, end=End.EITHER)
    twice = [b"Content-Length: " + _SIZE] * 2
    yield from framed("the same twice", twice, http.EVENT, {201, 400}, end=End.EITHER)


def _bad() -> Iterator[Case]:
    for value in (
        *(
            b"",
            b"+34",
            b"-34",
            b"-1",
            b"-0",
            b"0x22",
            b"22h",
            b"34.0",
            b"3e1",
            b"3 4",
            b"34;",
            b"34 ;a",
            b"'34'",
            b'"34"',
        ),
        *(b"thirty", b"NaN", b"34,35", b"34, 35", b"34;34", b"\xd9\xa3\xd9\xa4", b"\xff", b"3_4", b"034x", b"chunked"),
        *(b"34\x0b", b"\x0c34", b"34\x00", b"34\r", b"\x0134", b"34\x7f", b"1" + b"0" * 19 + b"x"),
    ):
        yield refused(f"value {value!r}", http.post(b"Content-Length: " + value, body=http.EVENT))
    for other in (
        b"Content-Length: 35",
        b"Content-Length: 0",
        b"Content-Length: 3",
        b"Content-Length: x",
        b"content-length: 1",
    ):
        yield refused(f"two lengths, {other!r}", http.post(b"Content-Length: " + _SIZE, other, body=http.EVENT))
        yield refused(f"two lengths, {other!r} first", http.post(other, b"Content-Length: " + _SIZE, body=http.EVENT))
    for size in (b"%d" % (2**power + more) for power in (31, 32, 63, 64) for more in (-1, 0, len(http.EVENT))):
        yield _long(size)
    for zeros in (9, 18, 19, 30, 4_299, 4_300, 5_000):
        yield _long(b"1" + b"0" * zeros)


def _long(digits: bytes) -> Case:
    stream = http.post(b"Content-Length: " + digits, body=http.EVENT)
    return case(f"{digits[:20].decode()} of {len(digits)} digits", stream, {400, 413}, end=End.WAITS)


def _wrong() -> Iterator[Case]:
    length = b"Content-Length: "
    yield case(
        "shorter than the body",
        http.post(length + b"33", body=http.EVENT + b"\r\n\r\n"),
        400,
        {400, 501},
        end=End.CLOSES,
    )
    yield case(
        "a body without a length",
        http.request(http.POST, b"Content-Type: application/json", body=http.EVENT + b"\r\n\r\n"),
        {400, 411},
        {400, 501},
        end=End.CLOSES,
    )
    hidden = b"GET /health HTTP/1.1\r\nX-Request-ID: hidden\r\nHost: api\r\n\r\n"
    yield from framed("a request as a body", [length + b"%d" % len(hidden)], hidden, 400)
    yield case("a request behind a body", http.event() + http.request(), 201, 200)
    yield case("a GET with an event", http.request(http.GET, length + _SIZE, body=http.EVENT), 200, early=True)
    for like in (b"Content_Length: 34", b"X-Content-Length: 34", b"Content-Length-X: 34", b"Content-Lengt: 34"):
        yield case(f"no length {like!r}", http.request(http.GET, like), 200)
