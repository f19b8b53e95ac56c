"""The Host header: RFC 9112, section 3.2; RFC 3986, section 3.2.2."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case


def cases() -> Iterator[Case]:
    """Make all cases."""
    for host in (
        *(
            b"api",
            b"API",
            b"api:80",
            b"api:3000",
            b"api:65535",
            b"a.b.c",
            b"a.b.c.",
            b"a_b",
            b"a-b",
            b"a~b",
            b"xn--bcher-kva",
        ),
        *(b"127.0.0.1", b"127.0.0.1:3000", b"[::1]", b"[::1]:3000", b"[::ffff:127.0.0.1]", b"[2001:db8::1]:80", b"1"),
    ):
        yield case(f"host {host!r}", http.request(host=b"Host: " + host), 200)
    for name in (b"host", b"HOST", b"hOsT"):
        yield case(f"named {name!r}", http.request(host=name + b": api"), 200)
    for field in (b"Host:api", b"Host:   api", b"Host:\tapi", b"Host: api ", b"Host: api\t ", b"Host: \t api \t"):
        yield case(f"blanks {field!r}", http.request(host=field), 200)
    for host in (
        b"",
        b"api:",
        b":80",
        b"api:99999",
        b"%41pi",
        b"a!b$c&d'e",
        b"(a)",
        b"a*b",
        b"a+b",
        b"a;b=c",
        b"[v1.a]",
    ):
        yield case(f"odd host {host!r}", http.request(host=b"Host: " + host), {200, 400}, end=End.EITHER)
    for host in (
        *(
            b"a b",
            b"a\tb",
            b"a/b",
            b"/",
            b"a@b",
            b"u:p@a",
            b"a?b",
            b"a#b",
            b"a\\b",
            b"a<b",
            b"<>",
            b'"a"',
            b"a|b",
            b"a^b",
        ),
        *(
            b"{a}",
            b"`a`",
            b"http://a",
            b"http://a/",
            b"a:b",
            b"a:80x",
            b"a:-1",
            b"a:+1",
            b"a:8 0",
            b"a:80:80",
            b"a::80",
        ),
        *(
            b"::1",
            b"[::1",
            b"::1]",
            b"[]",
            b"[::1]x",
            b"x[::1]",
            b"[::1]:x",
            b"[a]",
            b"[::1]]",
            b"[[::1]]",
            b"[::1%25lo]x",
        ),
        *(
            b"%",
            b"%4",
            b"%zz",
            b"a%",
            b"\xff",
            b"\xc3\xa9",
            b"a\x80",
            b"a\x01b",
            b"a\x7fb",
            b"a\x1fb",
            b"a\x00b",
            b"a b:80",
        ),
    ):
        yield case(f"malformed host {host!r}", http.request(host=b"Host: " + host), 400, end=End.EITHER)
    yield case("no host", http.request(host=None), 400, end=End.EITHER)
    yield case("no host, with a body", http.event().replace(b"Host: api\r\n", b""), 400, end=End.EITHER)
    yield case(
        "no host but a like one", http.request(http.GET, b"X-Host: api", b"Hosts: api", host=None), 400, end=End.EITHER
    )
    yield case("no host, HEAD", http.request(b"HEAD /health HTTP/1.1", host=None), 400, end=End.EITHER, heads=[0])
    for other in (b"Host: api", b"Host: b", b"host: api", b"Host:", b"Host: a b"):
        yield case(f"two hosts, {other!r}", http.request(http.GET, other), 400, end=End.EITHER)
        yield case(f"two hosts, {other!r} with a body", http.event(other), 400, end=End.EITHER)
        yield case(f"two hosts, {other!r} apart", http.request(http.GET, b"A: b", b"C: d", other), 400, end=End.EITHER)
    yield case("a list of hosts", http.request(host=b"Host: a, b"), {200, 400}, end=End.EITHER)
    yield case("three hosts", http.request(http.GET, b"Host: api", b"Host: api"), 400, end=End.EITHER)
    old = b"GET /health HTTP/1.0"
    yield case("HTTP/1.0, two hosts", http.request(old, b"Host: b"), 400, end=End.EITHER)
    yield case("HTTP/1.0, a malformed host", http.request(old, host=b"Host: a b"), 400, end=End.EITHER)
    yield case("HTTP/1.0, a host", http.request(old, host=b"Host: api:80"), 200, end=End.EITHER)
    for size, statuses in ((250, {200}), (5_000, {200, 400})):
        yield case(f"host of {size} bytes", http.request(host=b"Host: " + b"a" * size), statuses, end=End.EITHER)
