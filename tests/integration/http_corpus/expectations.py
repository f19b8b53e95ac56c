"""Expect: RFC 9110, section 10.1.1."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed, refused

_CONTINUE = b"Expect: 100-continue"
_LENGTH = b"Content-Length: %d" % len(http.EVENT)


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _met()
    yield from _refused()
    yield from _others()


def _met() -> Iterator[Case]:
    for field in (_CONTINUE, b"expect: 100-Continue", b"EXPECT:100-CONTINUE", b"Expect: 100-continue \t"):
        yield case(f"{field!r}", http.event(field), 201)
        yield case(f"{field!r}, chunked", http.post(field, http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK), 201)
        yield case(f"{field!r}, first", http.post(field, _LENGTH, body=http.EVENT), 201)
    yield case("twice", http.event(_CONTINUE, _CONTINUE), {201, 417}, end=End.EITHER)
    yield case("one after the other", http.event(_CONTINUE) + http.event(_CONTINUE) + http.request(), 201, 201, 200)
    yield case(
        "among others", http.request() + http.event(_CONTINUE) + http.event() + http.request(), 200, 201, 201, 200
    )
    yield case("without a body", http.request(http.GET, _CONTINUE), 200, end=End.EITHER)
    yield case("with a body of nothing", http.request(http.GET, _CONTINUE, b"Content-Length: 0"), 200, end=End.EITHER)
    old = http.event(_CONTINUE).replace(b"HTTP/1.1", b"HTTP/1.0")
    yield case("HTTP/1.0", old, 201, end=End.EITHER)
    yield case("HTTP/1.0 without a body", http.request(b"GET /health HTTP/1.0", _CONTINUE), 200, end=End.EITHER)
    kept = old.replace(b"Host:", b"Connection: keep-alive\r\nHost:")
    yield case("HTTP/1.0, kept", kept, 201, end=End.EITHER)
    yield case("to be closed", http.event(_CONTINUE, b"Connection: close"), 201, end=End.CLOSES)
    yield case("no event", http.post(_CONTINUE, b"Content-Length: 2", body=b"{}"), 422)


def _refused() -> Iterator[Case]:
    """The client may send the body or the next request next, so the connection must close."""
    for name, line, fields, status in (
        ("nothing there", b"POST /nothing HTTP/1.1", (_LENGTH,), 404),
        ("a wrong method", b"PUT /health HTTP/1.1", (_LENGTH,), 405),
        ("a wrong type", http.POST, (b"Content-Type: text/html", _LENGTH), 415),
        ("no type", http.POST, (_LENGTH,), 415),
        ("too large", http.POST, (b"Content-Type: application/json", b"Content-Length: 1000000000"), 413),
    ):
        head = http.request(line, *fields, _CONTINUE)
        yield case(f"refused, {name}", head, status, end=End.CLOSES)
        yield case(f"refused, {name}, the body sent", head + http.EVENT, status, end=End.CLOSES)
    chunked = http.request(b"POST /nothing HTTP/1.1", http.CHUNKED, _CONTINUE)
    yield case("refused, chunked, the body sent", chunked + http.CHUNKS + http.LAST_CHUNK, 404, end=End.CLOSES)
    yield case("refused, chunked, no body but a request", chunked, {400, 404}, end=End.CLOSES, early=True)
    yield case("not needed", http.request(http.GET, _LENGTH, _CONTINUE), 200, end=End.CLOSES)
    yield case("no host", http.event(_CONTINUE).replace(b"Host: api\r\n", b""), 400, end=End.CLOSES)
    yield refused("a length that is none", http.post(b"Content-Length: x", _CONTINUE, body=http.EVENT))
    yield refused(
        "a coding that is none", http.post(b"Transfer-Encoding: gzip, chunked", _CONTINUE, body=http.EVENT), 501
    )


def _others() -> Iterator[Case]:
    for value in (
        b"200-ok",
        b"101-continue",
        b"100",
        b"continue",
        b"100 continue",
        b"100-continued",
        b"x=y",
        b'a="b c"',
        b"",
    ):
        yield case(f"expects {value!r}", http.event(b"Expect: " + value), {201, 417}, end=End.EITHER)
        yield case(
            f"expects {value!r} without a body", http.request(http.GET, b"Expect: " + value), {200, 417}, end=End.EITHER
        )
    for value in (b"100-continue, x", b"x, 100-continue", b"100-continue, 100-continue", b"100-continue;a=b"):
        yield case(f"expects {value!r}", http.event(b"Expect: " + value), {201, 417}, end=End.EITHER)
    yield from framed("a broken chunk", [http.CHUNKED, _CONTINUE], b"nonsense\r\n\r\n", 400, end=End.CLOSES)
