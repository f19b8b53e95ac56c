"""Request targets: RFC 9112, section 3.2; one spelling of each path."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, refused, tolerated


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _forms()
    yield from _bytes()
    yield from _spellings()


def _get(target: bytes) -> bytes:
    return http.request(b"GET " + target + b" HTTP/1.1")


def _forms() -> Iterator[Case]:
    for target in (b"http://api/health", b"HTTP://API/health", b"http://api:3000/health", b"http://other/health"):
        yield case(f"absolute {target!r}", _get(target), 200)
    yield case("absolute, nothing there", _get(b"http://api/nothing"), 404)
    yield case("absolute without a path", _get(b"http://api"), {200, 204, 404})
    for target in (b"https://api/health", b"http://[::1]/health", b"http://[::1]:80/health", b"http://user@api/health"):
        yield case(f"absolute {target!r}", _get(target), {200, 400, 421}, end=End.EITHER)
    for target in (b"ftp://api/health", b"x:/health", b"urn:health", b"http:/health", b"http:health"):
        yield case(f"absolute {target!r}", _get(target), {200, 400, 404, 421}, end=End.EITHER)
    for target in (b"http://", b"http:///health", b"http://:80/health", b"http://a:b/health", b"http://a b/health"):
        yield refused(f"absolute {target!r}", _get(target))
    for target in (b"api:80", b"api", b"health", b"../health", b"./health", b"?", b"?a=b", b"*", b"**", b"%2Fhealth"):
        yield refused(f"no path {target!r}", _get(target), 400)
    yield case("OPTIONS *", http.request(b"OPTIONS * HTTP/1.1"), {200, 204, 400, 404, 405}, end=End.EITHER)
    yield case(
        "no host but in the target", http.request(b"GET http://api/health HTTP/1.1", host=None), 400, end=End.EITHER
    )


def _bytes() -> Iterator[Case]:
    for target in (b"/health#", b"/health#x", b"/#/health", b"/health?#", b"/health?a#b", b"http://api/health#x"):
        yield refused(f"fragment {target!r}", _get(target))
    for byte in (*range(1, 9), *range(14, 32), 0, 11, 12, 127):
        yield refused(f"control byte {byte:#04x} in a path", _get(b"/hea%clth" % byte), 400, 505)
        yield refused(f"control byte {byte:#04x} in a query", _get(b"/health?a%c" % byte), 400, 505)
    for target in (b"/\xff", b"/health\xff", b"/h\xc3\xa9alth", b"/health?\xff", b"/health?a=\xc3\xa9", b"/\x80"):
        yield refused(f"no ASCII {target!r}", _get(target))
    for byte in b'"<>\\^`{|}':
        yield case(f"{byte:c} in a path", _get(b"/health%c" % byte), {400, 404}, end=End.EITHER)
        yield tolerated(f"{byte:c} in a query", _get(b"/health?%c" % byte), 400, 422)
    for target in (b"/%", b"/%z", b"/%zz", b"/%0", b"/%00", b"/%ff", b"/%fe%ff", b"/%c3%28", b"/%0d%0a", b"/%25"):
        yield case(f"escape {target!r}", _get(target), {400, 404}, end=End.EITHER)
    for size in (1_000, 8_000, 60_000):
        yield case(f"path of {size} bytes", _get(b"/".ljust(size, b"x")), {404, 414}, end=End.EITHER)


def _spellings() -> Iterator[Case]:
    yield case("an empty query", _get(b"/health?"), 200)
    for target in (
        *(b"//health", b"///health", b"/health//ready", b"/health//", b"/health%2Fready", b"/health%2fready"),
        *(
            b"/%2Fhealth",
            b"/.",
            b"/..",
            b"/./health",
            b"/x/../health",
            b"/health/.",
            b"/health/..",
            b"/health/../health",
        ),
        *(
            b"/HEALTH",
            b"/Health",
            b"/health;x",
            b"/health%20",
            b"/%20health",
            b"/health%00",
            b"/health%3F",
            b"/health%23",
        ),
        *(b"/health%5Cready", b"/health;/ready", b"/health,", b"/health=", b"/health&", b"/healt", b"/healthy"),
    ):
        yield case(f"no spelling {target!r}", _get(target), {400, 404}, end=End.EITHER)
    for target in (b"/health/", b"/health/ready/"):
        yield case(f"trailing slash {target!r}", _get(target), {308, 404})
    for target in (b"/%68ealth", b"/he%61lth"):
        yield case(f"escaped {target!r}", _get(target), {200, 404})
    for path in (b"//events/generate", b"/events//generate", b"/events/generate/", b"/events%2Fgenerate", b"/events"):
        yield case(
            f"POST {path!r}", http.request(b"POST " + path + b" HTTP/1.1", b"Content-Length: 2", body=b"{}"), {404, 405}
        )
