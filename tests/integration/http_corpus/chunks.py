"""Bodies in chunks: RFC 9112, section 7.1."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed

_HALF = b"%x\r\n%b" % (len(http.EVENT), http.EVENT)


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _sizes()
    yield from _extensions()
    yield from _ends()
    yield from _broken_behind_another()


def _body(size: bytes) -> bytes:
    return size + b"\r\n" + http.EVENT + b"\r\n" + http.LAST_CHUNK


def _good(name: str, body: bytes) -> Iterator[Case]:
    yield from framed(name, [http.CHUNKED], body, 201)


def _tolerable(name: str, body: bytes) -> Iterator[Case]:
    yield from framed(name, [http.CHUNKED], body, {201, 400}, end=End.EITHER)


def _broken(name: str, body: bytes, *more: int) -> Iterator[Case]:
    yield from framed(name, [http.CHUNKED], body, {400, *more}, end=End.CLOSES)


def _sizes() -> Iterator[Case]:
    size = b"%x" % len(http.EVENT)
    for count in (1, 2, 7, 15, 16, len(http.EVENT)):
        parts = [http.EVENT[place : place + count] for place in range(0, len(http.EVENT), count)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        yield from _good(f"chunks of {count}", chunks + http.LAST_CHUNK)
    for zeros in (1, 2, 8, 15, 16, 17, 100):
        yield from _tolerable(f"{zeros} zeros before the size", _body(b"0" * zeros + size))
        yield from _tolerable(f"{zeros} zeros more at the last", http.CHUNKS + b"0" * zeros + http.LAST_CHUNK)
    blank = http.EVENT.replace(b",", b"," + b" " * (0xAB - len(http.EVENT)))
    for size in (b"ab", b"AB", b"aB", b"Ab"):
        yield from _good(f"digits {size!r}", size + b"\r\n" + blank + b"\r\n" + http.LAST_CHUNK)
    for size in (
        *(
            b"",
            b"g",
            b"0x22",
            b"-22",
            b"+22",
            b"22h",
            b"2 2",
            b"2.2",
            b"x",
            b"0x",
            b"\xff",
            b"\x00",
            b"22\x00",
            b"2_2",
            b"'22'",
        ),
        *(
            b" 22",
            b"\t22",
            b"22\x0b",
            b"\x0c22",
            b"22,22",
            b"22=",
            b"22:a",
            b"nonsense",
            b"22\r",
            b"22\x7f",
            b"--22",
            b"2\xb2",
        ),
    ):
        yield from _broken(f"size {size!r}", _body(size))
    for size in (b"22 ", b"22\t", b"22  "):
        yield from _tolerable(f"size {size!r}", _body(size))
    for size in (b"ffffff", b"ffffffff", b"7fffffffffff"):
        yield case(f"size {size!r}, read", http.post(http.CHUNKED, body=_body(size)), end=End.WAITS)
        yield case(
            f"size {size!r}, unread",
            http.request(http.GET, http.CHUNKED, body=_body(size)),
            200,
            end=End.WAITS,
            early=True,
        )
    for size in (
        b"7fffffffffffffff",
        b"8000000000000000",
        b"ffffffffffffffff",
        b"10000000000000022",
        b"f" * 17,
        b"f" * 100,
    ):
        yield from _broken(f"size {size[:17]!r} of {len(size)} digits", _body(size), 413)


def _extensions() -> Iterator[Case]:
    for extension in (
        *(b";a", b";a=b", b";a=b;c", b";a=b;c=d", b';a="b"', b';a="b c"', b';a="b;c"', b';a="b\\"c"', b';a=""'),
        *(b";!#$%&'*+-.^_`|~=b", b";a=!#$%&'*+-.^_`|~", b";" + b"a" * 1_000, b";a=" + b"b" * 1_000, b';a="\xff"'),
    ):
        yield from _good(f"extension {extension[:20]!r}", _body(b"22" + extension))
        yield from _good(f"extension {extension[:20]!r} at the last", http.CHUNKS + b"0" + extension + b"\r\n\r\n")
    for extension in (
        b" ;a",
        b"; a",
        b";a =b",
        b";a= b",
        b" ; a = b",
        b";a=b ",
        b";",
        b";;",
        b";a;",
        b";a=",
        b";=b",
        b";\t",
    ):
        yield from _tolerable(f"extension {extension!r}", _body(b"22" + extension))
    for extension in (
        b';a="b',
        b';a="b"c',
        b';a="b\\',
        b";a@b",
        b";a=(b)",
        b";a,b",
        b";a=b c",
        b";\xff",
        b";a\x00b",
        b";a\x01",
    ):
        yield from _tolerable(f"odd extension {extension!r}", _body(b"22" + extension))
    yield from _broken("LF within an extension", _body(b"22;a\nb"))
    yield from _broken("CR within an extension", _body(b"22;a\rb"))
    yield from _broken("LF within a quoted extension", _body(b'22;a="\n"'))


def _ends() -> Iterator[Case]:
    for end in (b"", b"\r", b" \r\n", b"x\r\n", b"\r\r\n", b"\n\r", b"\x00\r\n"):
        yield from _broken(f"{end!r} behind the data", _HALF + end + http.LAST_CHUNK)
    yield from _broken("a chunk longer than its size", b"21\r\n" + http.EVENT + b"\r\n" + http.LAST_CHUNK)
    yield from _broken("a chunk shorter than its size", b"23\r\n" + http.EVENT + b"\r\n" + http.LAST_CHUNK)
    for line in (b"22\r", b"22\r\r\n", b"22\n\r\n"):
        yield from _broken(f"size line {line!r}", line + http.EVENT + b"\r\n" + http.LAST_CHUNK)
    yield from _tolerable("LF behind the data", _HALF + b"\n" + http.LAST_CHUNK)
    yield from _tolerable("LF behind the size", b"22\n" + http.EVENT + b"\r\n" + http.LAST_CHUNK)
    yield from _tolerable("LF behind the last size", http.CHUNKS + b"0\n\r\n")
    yield from _tolerable("LF at the end", http.CHUNKS + b"0\r\n\n")
    yield from _broken("CR without LF at the end", http.CHUNKS + b"0\r\n\rx\r\n\r\n")
    yield from _broken("no last chunk but a request", http.CHUNKS + http.request().replace(b"?", b"hidden"))


def _broken_behind_another() -> Iterator[Case]:
    whole, broken = (
        http.post(http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK),
        http.post(http.CHUNKED, body=b"nonsense\r\n\r\n"),
    )
    yield case("a broken chunk in its turn", whole + broken, 201, 400, end=End.CLOSES)
    yield case("a broken chunk after a page", http.request() + broken, 200, 400, end=End.CLOSES)
    late = http.post(http.CHUNKED, body=http.CHUNKS + b"x\r\n\r\n")
    yield case("a late broken chunk in its turn", whole * 3 + late, 201, 201, 201, 400, end=End.CLOSES)
    yield case(
        "a broken trailer in its turn",
        whole + http.post(http.CHUNKED, body=http.CHUNKS + b"0\r\nx\r\n\r\n"),
        201,
        400,
        end=End.CLOSES,
    )
    yield case("nothing behind a broken chunk", whole + broken + http.request(), 201, 400, end=End.CLOSES)
