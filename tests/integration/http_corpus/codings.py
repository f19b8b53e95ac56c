"""Forms of Transfer-Encoding: RFC 9112, section 6.1 and 6.3."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed, refused

_BODY = http.CHUNKS + http.LAST_CHUNK
_CODING = b"Transfer-Encoding:"
_LENGTH = b"Content-Length: %d" % len(http.EVENT)


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _chunked()
    yield from _others()
    yield from _with_length()


def _chunked() -> Iterator[Case]:
    for field in (
        *(
            http.CHUNKED,
            _CODING + b"chunked",
            _CODING + b" Chunked",
            _CODING + b" CHUNKED",
            b"transfer-encoding: chunked",
        ),
        *(_CODING + b"  chunked", _CODING + b"\tchunked", http.CHUNKED + b" ", b"TRANSFER-ENCODING: chunked"),
    ):
        yield from framed(f"{field!r}", [field], _BODY, 201)
    for value in (b"chunked,", b",chunked", b", chunked", b"chunked ,", b"chunked\t"):
        yield from framed(f"{value!r}", [_CODING + value], _BODY, {201, 400, 501}, end=End.EITHER)
    yield from framed("no chunk but the last", [http.CHUNKED], http.LAST_CHUNK, 400)
    hidden = b"GET /health HTTP/1.1\r\nX-Request-ID: hidden\r\nHost: api\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(hidden), hidden)
    yield from framed("a request as a chunk", [http.CHUNKED], chunk + http.LAST_CHUNK, 400)
    for like in (
        b"Transfer_Encoding: chunked",
        b"X-Transfer-Encoding: chunked",
        b"Transfer-Encodin: chunked",
        b"TE: chunked",
    ):
        yield case(f"no coding {like!r}", http.request(http.GET, like), 200)
    yield case("TE beside it", http.post(http.CHUNKED, b"TE: trailers, deflate;q=0.5", body=_BODY), 201)


def _others() -> Iterator[Case]:
    for value in (
        b"gzip",
        b"gzip, chunked",
        b"gzip,chunked",
        b"deflate, chunked",
        b"x, chunked",
        b"gzip, deflate",
        b"br",
    ):
        yield refused(f"coding {value!r}", http.post(_CODING + b" " + value, body=_BODY), 501)
        yield refused(f"coding {value!r}, unread", http.request(http.GET, _CODING + b" " + value, body=_BODY), 501)
        yield refused(
            f"coding {value!r}, HEAD",
            http.request(b"HEAD /health HTTP/1.1", _CODING + value, body=_BODY),
            501,
            heads=[0],
        )
    for value in (
        *(
            b"chunked, gzip",
            b"chunked, chunked",
            b"chunked,chunked",
            b"chunked, identity",
            b"identity",
            b"identity, chunked",
        ),
        *(
            b"",
            b",",
            b"xchunked",
            b"chunkedx",
            b"chunke",
            b"chunked;q=1",
            b'"chunked"',
            b"chunke d",
            b"chun\tked",
            b"cow",
        ),
        *(
            b"chunked chunked",
            b"chunked\x0b",
            b"\x0bchunked",
            b"\x00chunked",
            b"chunked\x00",
            b"chunked;",
            b"\xffchunked",
        ),
        *(b"chunked\x0cx", b"\xa0chunked", b"c\xc4\xb7unked", b"gzip chunked", b"chunked/1", b"=chunked", b"[chunked]"),
    ):
        yield refused(f"coding {value!r}", http.post(_CODING + b" " + value, body=_BODY), 400, 501)
    yield refused("a folded coding", http.post(_CODING + b"\r\n chunked", body=_BODY).replace(_BODY, b""), 400, 501)
    yield refused("a coding with CR", http.post(_CODING + b" chun\rked", body=_BODY))
    for first, second in (
        (b"gzip", b"chunked"),
        (b"chunked", b"gzip"),
        (b"chunked", b"chunked"),
        (b"chunked", b"identity"),
        (b"identity", b"chunked"),
        (b"chunked", b"x"),
        (b"x", b"chunked"),
    ):
        yield refused(
            f"two fields {first!r} and {second!r}", http.post(_CODING + first, _CODING + second, body=_BODY), 400, 501
        )
    yield refused("an empty field and chunked", http.post(_CODING, http.CHUNKED, body=_BODY), 400, 501)


def _with_length() -> Iterator[Case]:
    for name, fields in (
        ("a length before it", [_LENGTH, http.CHUNKED]),
        ("a length behind it", [http.CHUNKED, _LENGTH]),
        ("a length of 0", [b"Content-Length: 0", http.CHUNKED]),
        ("a length of 0 behind it", [http.CHUNKED, b"Content-Length: 0"]),
        ("a length of its own", [b"Content-Length: %d" % len(_BODY), http.CHUNKED]),
        ("a length that is none", [b"Content-Length: x", http.CHUNKED]),
        ("two lengths", [_LENGTH, http.CHUNKED, _LENGTH]),
        ("a length and gzip", [_LENGTH, b"Transfer-Encoding: gzip"]),
        ("a length and identity", [_LENGTH, b"Transfer-Encoding: identity"]),
        ("a length and something", [_LENGTH, b"Transfer-Encoding: x"]),
        ("a length and nothing", [_LENGTH, b"Transfer-Encoding:"]),
        ("a length and chunked twice", [_LENGTH, http.CHUNKED, http.CHUNKED]),
    ):
        yield refused(name, http.post(*fields, body=_BODY), 400, 501)
        yield refused(f"{name}, unread", http.request(http.GET, *fields, body=_BODY), 400, 501)
    for coding in (b"chunked", b"gzip", b"identity", b"gzip, chunked"):
        old = http.post(b"Transfer-Encoding: " + coding, body=_BODY).replace(b"HTTP/1.1", b"HTTP/1.0")
        yield refused(f"HTTP/1.0, {coding.decode()}", old, 400)
        yield refused(
            f"HTTP/1.0, {coding.decode()}, kept", old.replace(b"Host:", b"Connection: keep-alive\r\nHost:"), 400
        )
    head = http.request(b"HEAD /health HTTP/1.0", http.CHUNKED, body=_BODY)
    yield refused("HTTP/1.0, chunked, HEAD", head, 400, heads=[0])
