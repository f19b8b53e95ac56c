"""Several requests on one connection: RFC 9112, sections 2.2 and 9."""

from collections.abc import Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, refused

_HEAD = b"HEAD /health HTTP/1.1"


def cases() -> Iterator[Case]:
    """Make all cases."""
    yield from _options()
    yield from _pipelines()
    yield from _empty_lines()
    yield from _unfinished()


def _options() -> Iterator[Case]:
    for value in (
        b"close",
        b"Close",
        b"CLOSE",
        b" close ",
        b"close, x",
        b"x, close",
        b"keep-alive, close",
        b"close,",
        b",close",
    ):
        yield case(f"option {value!r}", http.request(http.GET, b"Connection: " + value), 200, end=End.CLOSES)
        yield case(f"option {value!r} with a body", http.event(b"Connection: " + value), 201, end=End.CLOSES)
    for value in (
        b"keep-alive",
        b"Keep-Alive",
        b"",
        b"x",
        b"closed",
        b"clos",
        b"xclose",
        b"close-x",
        b",",
        b"te",
        b"close x",
        b"\xff",
    ):
        yield case(f"option {value!r}", http.request(http.GET, b"Connection: " + value), 200)
        yield case(f"option {value!r} with a body", http.event(b"Connection: " + value), 201)
    two = (b"Connection: x", b"Connection: close")
    yield case("two fields, the second closes", http.request(http.GET, *two), 200, end=End.CLOSES)
    yield case("two fields, the first closes", http.request(http.GET, *reversed(two)), 200, end=End.CLOSES)
    yield case(
        "close and keep-alive",
        http.request(http.GET, b"Connection: close", b"Connection: keep-alive"),
        200,
        end=End.CLOSES,
    )
    yield case(
        "keep-alive and close",
        http.request(http.GET, b"Connection: keep-alive", b"Connection: close"),
        200,
        end=End.CLOSES,
    )
    yield case("HEAD that closes", http.request(_HEAD, b"Connection: close"), 200, end=End.CLOSES, heads=[0])
    chunked = http.post(http.CHUNKED, b"Connection: close", body=http.CHUNKS + http.LAST_CHUNK)
    yield case("chunked that closes", chunked, 201, end=End.CLOSES)
    yield case(
        "nothing there, closing", http.request(b"GET /nothing HTTP/1.1", b"Connection: close"), 404, end=End.CLOSES
    )
    old = b"GET /health HTTP/1.0"
    yield case("HTTP/1.0 that closes", http.request(old, b"Connection: close"), 200, end=End.CLOSES)
    yield case("Proxy-Connection: close", http.request(http.GET, b"Proxy-Connection: close"), 200, end=End.EITHER)
    yield case("Keep-Alive", http.request(http.GET, b"Keep-Alive: timeout=5, max=1"), 200)


def _pipelines() -> Iterator[Case]:
    get, head, chunked = (
        http.request(),
        http.request(_HEAD),
        http.post(http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK),
    )
    for count in (2, 3, 15, 16, 17, 18, 33, 60):
        yield case(f"{count} of nothing but heads", get * count, *[200] * count)
        yield case(f"{count} with bodies", http.event() * count, *[201] * count)
        yield case(f"{count} in chunks", chunked * count, *[201] * count)
    yield case(
        "all kinds",
        get + http.event() + head + chunked + http.event(*http.OFFER) + get,
        200,
        201,
        200,
        201,
        201,
        200,
        heads=[2],
    )
    yield case("HEAD twice", head * 2, 200, 200, heads=[0, 1])
    yield case("HEAD between", get + head + get, 200, 200, 200, heads=[1])
    missing, wrong = http.request(b"GET /nothing HTTP/1.1"), http.request(b"DELETE /health HTTP/1.1")
    yield case("failures among them", get + missing + wrong + get, 200, 404, 405, 200)
    bad = http.post(b"Content-Length: 3", body=b"nul")
    yield case("no events among them", http.event() + bad + http.event(), 201, 400, 201)
    closing = http.request(http.GET, b"Connection: close")
    for name, behind in (
        ("a request", get),
        ("an event", http.event()),
        ("nonsense", b"nonsense\r\n\r\n"),
        ("half a head", b"GET /"),
    ):
        yield case(f"{name} behind the last", closing + behind.replace(b"?", b"hidden"), 200, end=End.CLOSES)
        yield case(
            f"{name} behind the last event",
            http.event(b"Connection: close") + behind.replace(b"?", b"hidden"),
            201,
            end=End.CLOSES,
        )
    for name, broken, statuses in (
        ("nonsense", b"nonsense\r\n\r\n", {400, 501}),
        ("a broken line", http.request(b"GET"), {400, 505}),
        ("a broken field", http.request(http.GET, b"nonsense"), {400}),
        ("a broken length", http.post(b"Content-Length: x", body=b""), {400}),
        ("a coding that is none", http.post(b"Transfer-Encoding: gzip, chunked", body=b""), {501}),
        ("another version", http.request(b"GET /health HTTP/3.0"), {505}),
        ("NUL", b"\x00", {400, 501}),
    ):
        yield case(f"{name} behind a request", get + broken, 200, statuses, end=End.CLOSES)
        yield case(f"{name} behind events", http.event() * 2 + broken, 201, 201, statuses, end=End.CLOSES)
        yield case(f"{name} before a request", broken + get, statuses, end=End.CLOSES)
        yield case(f"{name} between requests", get + broken + get, 200, statuses, end=End.CLOSES)
    yield case("a bad host behind a request", get + http.request(host=None), 200, 400, end=End.EITHER)


def _empty_lines() -> Iterator[Case]:
    get = http.request()
    for count in (1, 2, 10):
        yield case(
            f"{count} before the first", b"\r\n" * count + get, {200} if count == 1 else {200, 400}, end=End.EITHER
        )
        yield case(f"{count} between", get + b"\r\n" * count + get, 200, 200)
        yield case(f"{count} behind an event", http.event() + b"\r\n" * count + http.event(), 201, 201)
        yield case(
            f"{count} behind chunks",
            http.post(http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK) + b"\r\n" * count + get,
            201,
            200,
        )
        yield case(f"{count} behind the last", get + b"\r\n" * count, 200)
    for stray in (b"\n", b"\r", b"\n\n", b"\r\r\n"):
        yield case(f"{stray!r} before the first", stray + get, {200, 400}, end=End.EITHER)
        yield case(f"{stray!r} between", get + stray + get, 200, {200, 400}, end=End.EITHER)
    for stray in (b" ", b"\r\n ", b" \r\n", b"\x00", b"\r\n\x00", b"x", b"\t\r\n"):
        yield case(f"{stray!r} between", get + stray + get, 200, {400, 501}, end=End.CLOSES)
        yield refused(f"{stray!r} before the first", stray + get, 400, 501)


def _unfinished() -> Iterator[Case]:
    """An incomplete request gets no response until its sender closes."""
    get, post_ = http.request(), http.event()
    yield case("nothing", b"", end=End.WAITS)
    yield case("an empty line", b"\r\n", end=End.WAITS)
    for whole, name in (
        (get, "a GET"),
        (post_, "an event"),
        (http.post(http.CHUNKED, body=http.CHUNKS + http.LAST_CHUNK), "chunks"),
        (http.event(*http.OFFER), "an offer"),
    ):
        for part in range(1, 12):
            half = whole[: len(whole) * part // 12]
            yield case(f"{part} of 12 of {name}", half, end=End.WAITS)
            yield case(f"{part} of 12 of {name} behind a GET", get + half, 200, end=End.WAITS)
        yield case(f"{name} but the last byte", whole[:-1], end=End.WAITS)
