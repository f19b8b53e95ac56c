"""The limit on bytes outside content: 64 KiB, to the byte, in every state of the parser."""

from collections.abc import Callable, Iterator

from tests.integration.http_corpus import messages as http
from tests.integration.http_corpus.case import Case, End, case, framed, refused

BUDGET = 64 * 1024
MOST_FIELDS = 256
_MARGIN = 512
"""More than the parts that surround what is long."""

_HEADS: dict[str, Callable[[int], bytes]] = {
    "target": lambda size: http.request(b"GET /health?" + b"a" * size + b" HTTP/1.1"),
    "name": lambda size: http.request(http.GET, b"a" * size + b": b"),
    "value": lambda size: http.request(http.GET, b"A: " + b"b" * size),
    "blanks before a value": lambda size: http.request(http.GET, b"A:" + b" " * size + b"b"),
    "blanks behind a value": lambda size: http.request(http.GET, b"A: b" + b" " * size),
    "fields": lambda size: http.request(http.GET, *[b"A: %b" % (b"b" * 250)] * (size // 256)),
    "zeros of a length": lambda size: http.post(
        b"Content-Length: %b%d" % (b"0" * size, len(http.EVENT)), body=http.EVENT
    ),
}
_TAILS: dict[str, Callable[[int], bytes]] = {
    "extension": lambda size: b"0;" + b"a" * size + b"\r\n\r\n",
    "extension's value": lambda size: b"0;a=" + b"b" * size + b"\r\n\r\n",
    "quoted extension": lambda size: b'0;a="' + b"b" * size + b'"\r\n\r\n',
    "size": lambda size: b"0" * size + b"\r\n\r\n",
    "trailer's name": lambda size: b"0\r\n" + b"a" * size + b": b\r\n\r\n",
    "trailer's value": lambda size: b"0\r\nA: " + b"b" * size + b"\r\n\r\n",
    "many trailers": lambda size: b"0\r\n" + b"A: b\r\n" * (size // 6) + b"\r\n",
}


def cases() -> Iterator[Case]:
    """Make all cases."""
    for name, make in _HEADS.items():
        good = {201} if name == "zeros of a length" else {200, 414, 422} if name == "target" else {200}
        yield case(f"{name} within", make(BUDGET - _MARGIN), good)
        yield refused(f"{name} beyond", make(BUDGET), 400, 414, 431)
    # A field costs much more memory than its bytes. Each case has two of its own.
    yield case("many fields", http.request(http.GET, *[b"a:"] * (MOST_FIELDS - 2)), 200)
    yield refused("too many fields", http.request(http.GET, *[b"a:"] * (MOST_FIELDS - 1)), 431)
    exact = BUDGET - len(http.request(http.GET, b"A: "))
    yield case("to the byte", http.request(http.GET, b"A: " + b"b" * exact), 200)
    yield refused("one byte more", http.request(http.GET, b"A: " + b"b" * (exact + 1)), 431)
    for name, make in _TAILS.items():
        good = {201, 400} if name == "size" else {201}
        yield from framed(
            f"{name} within",
            [http.CHUNKED],
            http.CHUNKS + make(BUDGET - _MARGIN),
            good,
            end=End.EITHER if name == "size" else End.GOES_ON,
        )
        yield from framed(f"{name} beyond", [http.CHUNKED], http.CHUNKS + make(BUDGET), {400, 413, 431}, end=End.CLOSES)
        yield from framed(
            f"{name} beyond, beside a long head",
            [http.CHUNKED, b"A: " + b"b" * (BUDGET // 2)],
            http.CHUNKS + make(BUDGET // 2),
            {400, 413, 431},
            end=End.CLOSES,
        )
    many = b"".join(b"1;%b\r\n%c\r\n" % (b"a" * 4_000, byte) for byte in http.EVENT)
    yield from framed("many extensions", [http.CHUNKED], many + b"0\r\n\r\n", {400, 413, 431}, end=End.CLOSES)
    lines = b"\r\n" * (BUDGET // 2)
    yield refused("empty lines before the first", lines + http.request(), 400, 431)
    yield case(
        "empty lines between",
        http.request() + lines + http.request().replace(b"?", b"hidden"),
        200,
        {400, 431},
        end=End.CLOSES,
    )
    yield case(
        "empty lines behind an event",
        http.event() + lines + http.request().replace(b"?", b"hidden"),
        201,
        {400, 431},
        end=End.CLOSES,
    )
    yield case("a budget for each", http.request(http.GET, b"A: " + b"b" * (BUDGET - _MARGIN)) * 3, 200, 200, 200)
