"""The Host header: RFC 9112, section 3.2; RFC 3986, section 3.2.2."""

from collections.abc import Iterator

from tests.integration.http_corpus.case import GET, Case, End, case, event, request


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
        yield case(f"host {host!r}", request(host=b"Host: " + host), 200)
    for name in (b"host", b"HOST", b"hOsT"):
        yield case(f"named {name!r}", request(host=name + b": api"), 200)
    for field in (b"Host:api", b"Host:   api", b"Host:\tapi", b"Host: api ", b"Host: api\t ", b"Host: \t api \t"):
        yield case(f"blanks {field!r}", request(host=field), 200)
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
        yield case(f"odd host {host!r}", request(host=b"Host: " + host), {200, 400}, end=End.EITHER)
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
        yield case(f"malformed host {host!r}", request(host=b"Host: " + host), 400, end=End.EITHER)
    yield case("no host", request(host=None), 400, end=End.EITHER)
    yield case("no host, with a body", event().replace(b"Host: api\r\n", b""), 400, end=End.EITHER)
    yield case("no host but a like one", request(GET, b"X-Host: api", b"Hosts: api", host=None), 400, end=End.EITHER)
    yield case("no host, HEAD", request(b"HEAD /health HTTP/1.1", host=None), 400, end=End.EITHER, heads=[0])
    for other in (b"Host: api", b"Host: b", b"host: api", b"Host:", b"Host: a b"):
        yield case(f"two hosts, {other!r}", request(GET, other), 400, end=End.EITHER)
        yield case(f"two hosts, {other!r} with a body", event(other), 400, end=End.EITHER)
        yield case(f"two hosts, {other!r} apart", request(GET, b"A: b", b"C: d", other), 400, end=End.EITHER)
    yield case("a list of hosts", request(host=b"Host: a, b"), {200, 400}, end=End.EITHER)
    yield case("three hosts", request(GET, b"Host: api", b"Host: api"), 400, end=End.EITHER)
    old = b"GET /health HTTP/1.0"
    yield case("HTTP/1.0, two hosts", request(old, b"Host: b"), 400, end=End.EITHER)
    yield case("HTTP/1.0, a malformed host", request(old, host=b"Host: a b"), 400, end=End.EITHER)
    yield case("HTTP/1.0, a host", request(old, host=b"Host: api:80"), 200, end=End.EITHER)
    for size, statuses in ((250, {200}), (5_000, {200, 400})):
        yield case(f"host of {size} bytes", request(host=b"Host: " + b"a" * size), statuses, end=End.EITHER)
