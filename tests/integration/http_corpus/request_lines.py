"""Methods, versions and how a request line is written: RFC 9112, sections 2.3 and 3; RFC 9110, section 9."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, refused, tolerated


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _versions()
    yield from _methods()
    yield from _lines()


def _versions() -> Iterator[Case]:
    yield case("HTTP/1.1", http.request(), 200)
    yield case("HTTP/1.0", http.request(b"GET /health HTTP/1.0"), 200, end=End.EITHER)
    yield case("HTTP/1.0 without a host", http.request(b"GET /health HTTP/1.0", host=None), 200, end=End.EITHER)
    yield case("HTTP/1.0, kept", http.request(b"GET /health HTTP/1.0", b"Connection: keep-alive"), 200, end=End.EITHER)
    old = http.event().replace(b"HTTP/1.1", b"HTTP/1.0")
    yield case("HTTP/1.0 with a body", old, 201, end=End.EITHER)
    for version in (b"0.0", b"0.9", b"1.2", b"1.9", b"2.0", b"2.1", b"3.0", b"9.9"):
        yield refused(f"HTTP/{version.decode()}", http.request(b"GET /health HTTP/" + version), 505)
        yield refused(f"HTTP/{version.decode()}, HEAD", http.request(b"HEAD /health HTTP/" + version), 505, heads=[0])
        later = http.event().replace(b"1.1", version)
        yield refused(f"HTTP/{version.decode()} with a body", later, 505)
    for version in (
        *(b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/11.1", b"HTTP/1.10", b"HTTP/1.01", b"HTTP/01.1", b"HTTP/1,1"),
        *(b"http/1.1", b"Http/1.1", b"HTTP 1.1", b"HTTP/ 1.1", b"HTTP/1 .1", b"HTTP/a.b", b"HTTP/-1.1", b"HTTP/1.1.1"),
        *(b"HTP/1.1", b"HTTPS/1.1", b"HTTP", b"HTTP/", b"HTTP//1.1", b"ICE/1.0", b"RTSP/1.0", b"SIP/2.0", b"\xff"),
        *(b"HTTP/1.1x", b"HTTP/1.1\x00", b"HTTP/1.1 x", b"HTTP/1.1 HTTP/1.1", b"HTTP/\xb1.1"),
    ):
        yield refused(f"version {version!r}", http.request(b"GET /health " + version), 400, 505)
    yield tolerated("a blank behind the version", http.request(b"GET /health HTTP/1.1 "))
    yield tolerated("a tab behind the version", http.request(b"GET /health HTTP/1.1\t"))


def _methods() -> Iterator[Case]:
    yield case("HEAD", http.request(b"HEAD /health HTTP/1.1"), 200, heads=[0])
    yield case("HEAD of nothing", http.request(b"HEAD /nothing HTTP/1.1"), 404, heads=[0])
    yield case("HEAD of a POST", http.request(b"HEAD /events/generate HTTP/1.1"), 405, heads=[0])
    yield case("OPTIONS", http.request(b"OPTIONS /health HTTP/1.1"), {200, 204})
    for method in (b"POST", b"PUT", b"DELETE", b"PATCH"):
        length = b"Content-Length: %d" % len(http.EVENT)
        yield case(f"{method.decode()} of a GET", http.request(method + b" /health HTTP/1.1"), 405)
        with_body = http.request(method + b" /health HTTP/1.1", length, body=http.EVENT)
        yield case(f"{method.decode()} of a GET, with a body", with_body, 405, early=True)
    for method in (b"PROPFIND", b"LOCK", b"MKCOL", b"REPORT", b"M-SEARCH", b"SUBSCRIBE", b"PURGE", b"QUERY", b"TRACE"):
        yield case(f"method {method.decode()}", http.request(method + b" /health HTTP/1.1"), {405, 501}, end=End.EITHER)
    for method in (
        *(b"FOO", b"G", b"GE", b"GETT", b"XGET", b"get", b"Get", b"gET", b"POSTPOST", b"HEADER", b"DESCRIBE2"),
        *(b"!#$%&'*+-.^_`|~", b"0", b"A" * 100, b"GET-", b"GET_", b"HTTP", b"PLAY", b"FLUSH"),
    ):
        yield case(f"method {method[:20]!r}", http.request(method + b" /health HTTP/1.1"), 501, end=End.EITHER)
    for method in (b"G@T", b"G(T", b"G\x00T", b"G\xc9T", b"G/T", b"GET:", b'"GET"', b"{GET}", b"G\x7fT", b"G\x1bT"):
        yield refused(f"method {method!r}", http.request(method + b" /health HTTP/1.1"), 400, 501)
    yield refused("CONNECT", http.request(b"CONNECT api:80 HTTP/1.1", host=b"Host: api:80"), 400, 404, 405, 501)
    yield case("CONNECT of a path", http.request(b"CONNECT /health HTTP/1.1"), {400, 405, 501}, end=End.EITHER)
    yield refused("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 501, 505)
    yield refused("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + b"\r\n\r\n", 400, 501)
    yield refused("SOCKS", b"\x05\x01\x00\r\n\r\n", 400, 501)
    yield refused("PROXY protocol", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + http.request(), 400, 501, 505)
    yield refused(
        "PROXY protocol, binary", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + http.request(), 400, 501
    )


def _lines() -> Iterator[Case]:
    yield refused("HTTP/0.9 as it was", b"GET /health\r\n\r\n", 400, 505)
    for line in (
        *(
            b"GET",
            b"GET ",
            b"GET /health ",
            b"/health HTTP/1.1",
            b"/health",
            b"nonsense",
            b"HTTP/1.1",
            b"HTTP/1.1 200 OK",
        ),
        *(
            b"GET HTTP/1.1",
            b"GET  HTTP/1.1",
            b"GET/health HTTP/1.1",
            b"GET /health\x00HTTP/1.1",
            b"GET\x00/health HTTP/1.1",
        ),
        *(b"GET /he alth HTTP/1.1", b"GET /health GET /health HTTP/1.1", b":", b"Host: api"),
    ):
        yield refused(f"line {line!r}", http.request(line), 400, 501, 505)
    for line in (
        *(b"GET  /health HTTP/1.1", b"GET /health  HTTP/1.1", b"GET\t/health HTTP/1.1", b"GET /health\tHTTP/1.1"),
        *(b"GET \t/health HTTP/1.1", b"GET\x0b/health HTTP/1.1", b"GET /health\x0cHTTP/1.1"),
    ):
        yield tolerated(f"line {line!r}", http.request(line), 400, 501, 505)
    for blank in (b" ", b"\t", b"\x00", b"\x0b", b"\xef\xbb\xbf", b"\xff", b"\x7f"):
        yield refused(f"{blank!r} before the line", blank + http.request(), 400, 501)
