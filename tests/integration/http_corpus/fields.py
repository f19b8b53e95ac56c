"""How headers are written: RFC 9112, section 5; RFC 9110, section 5.5."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, refused, tolerated


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _names()
    yield from _values()
    yield from _lines()


def _with(field: bytes) -> bytes:
    return http.request(http.GET, field, b"After: it")


def _names() -> Iterator[Case]:
    for name in (b"A", b"x-a", b"X_A", b"!#$%&'*+-.^_`|~", b"0", b"9-9", b"-", b"a" * 1_000):
        yield case(f"name {name[:20]!r}", _with(name + b": v"), 200)
    for byte in b'"(),/;<=>?@[\\]{}':
        yield refused(f"{byte:c} in a name", _with(b"a%cb: v" % byte))
    for byte in (*range(0x0A), *range(0x0B, 0x21), 0x7F, 0x80, 0xC3, 0xFF):
        yield refused(f"byte {byte:#04x} in a name", _with(b"a%cb: v" % byte))
    for field in (b": v", b":", b" : v", b"a b", b"nonsense", b"a", b"=", b"a;b"):
        yield refused(f"no field {field!r}", _with(field))
    for field in (b"a : v", b"a\t: v", b"a  : v", b"Host : b", b"Content-Length : 0", b"Transfer-Encoding : chunked"):
        yield refused(f"blank before the colon, {field!r}", _with(field))


def _values() -> Iterator[Case]:
    for value in (
        b"",
        b" ",
        b"\t",
        b"v",
        b"  v  ",
        b"a b",
        b"a\tb",
        b":",
        b"a: b",
        b'"a"',
        b"\xff",
        b"\xc3\xa9",
        b"v" * 9_000,
    ):
        yield case(f"value {value[:20]!r}", _with(b"a:" + value), 200)
    yield refused("NUL in a value", _with(b"a: v\x00w"))
    yield tolerated("CR in a value", _with(b"a: v\rw"))
    for byte in (*range(1, 9), 11, 12, *range(14, 32), 127):
        yield tolerated(f"byte {byte:#04x} in a value", _with(b"a: v%cw" % byte))


def _lines() -> Iterator[Case]:
    for fold in (b"a: v\r\n w", b"a: v\r\n\tw", b"a:\r\n w", b"a: v\r\n  \r\n w"):
        yield tolerated(f"folded {fold!r}", _with(fold))
    yield refused("a blank before the first field", http.request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n "))
    yield refused("a tab before the first field", http.request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n\t"))
    yield refused("a blank line of blanks", http.request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n \r\n"))
    yield case("a folded host", http.request(host=b"Host:\r\n api"), {200, 400}, end=End.EITHER)
    yield case("a folded length", http.event().replace(b"Length: ", b"Length:\r\n "), {201, 400}, end=End.EITHER)
    for name, whole in (("one field", b"a: v\nAfter: it"), ("the host", http.HOST + b"\n")):
        yield tolerated(f"LF alone behind {name}", _with(whole))
    yield tolerated("LF alone everywhere", http.request().replace(b"\r\n", b"\n"))
    yield tolerated("LF alone at the end", http.request()[:-2] + b"\n")
    yield tolerated("LF alone behind the line", http.request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"))
    yield refused("CR alone everywhere", http.request().replace(b"\r\n", b"\r") + b"\r\n\r\n")
    yield refused("CR alone behind the line", http.request().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\rA: b\r\n"), 400, 505)
    yield tolerated("CR twice", http.request().replace(http.HOST + b"\r\n", http.HOST + b"\r\r\n"))
    yield tolerated("CR twice at the end", http.request()[:-2] + b"\r\r\n\r\n")
    yield refused("CR without LF at the end", http.request()[:-2] + b"\rx\r\n\r\n")
    for count in (100, 1_000):
        yield case(
            f"{count} fields",
            http.request(http.GET, *(b"a%d: v" % n for n in range(count))),
            {200, 431},
            end=End.EITHER,
        )
    yield case("the same field often", http.request(http.GET, *[b"Accept: */*"] * 50), 200)
