"""What a request may send beside its content: 64 KiB, to the byte, in every state of the parser."""

from collections.abc import Callable, Iterator

from tests.integration.http_corpus.case import (
    CHUNKED,
    CHUNKS,
    EVENT,
    GET,
    Case,
    End,
    case,
    event,
    framed,
    post,
    refused,
    request,
)

BUDGET = 64 * 1024
MOST_FIELDS = 256
_MARGIN = 512
"""More than the parts that surround what is long."""

_HEADS: dict[str, Callable[[int], bytes]] = {
    "target": lambda size: request(b"GET /health?" + b"a" * size + b" HTTP/1.1"),
    "name": lambda size: request(GET, b"a" * size + b": b"),
    "value": lambda size: request(GET, b"A: " + b"b" * size),
    "blanks before a value": lambda size: request(GET, b"A:" + b" " * size + b"b"),
    "blanks behind a value": lambda size: request(GET, b"A: b" + b" " * size),
    "fields": lambda size: request(GET, *[b"A: %b" % (b"b" * 250)] * (size // 256)),
    "zeros of a length": lambda size: post(b"Content-Length: %b%d" % (b"0" * size, len(EVENT)), body=EVENT),
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
    yield case("many fields", request(GET, *[b"a:"] * (MOST_FIELDS - 2)), 200)
    yield refused("too many fields", request(GET, *[b"a:"] * (MOST_FIELDS - 1)), 431)
    exact = BUDGET - len(request(GET, b"A: "))
    yield case("to the byte", request(GET, b"A: " + b"b" * exact), 200)
    yield refused("one byte more", request(GET, b"A: " + b"b" * (exact + 1)), 431)
    for name, make in _TAILS.items():
        good = {201, 400} if name == "size" else {201}
        yield from framed(
            f"{name} within",
            [CHUNKED],
            CHUNKS + make(BUDGET - _MARGIN),
            good,
            end=End.EITHER if name == "size" else End.GOES_ON,
        )
        yield from framed(f"{name} beyond", [CHUNKED], CHUNKS + make(BUDGET), {400, 413, 431}, end=End.CLOSES)
        yield from framed(
            f"{name} beyond, beside a long head",
            [CHUNKED, b"A: " + b"b" * (BUDGET // 2)],
            CHUNKS + make(BUDGET // 2),
            {400, 413, 431},
            end=End.CLOSES,
        )
    many = b"".join(b"1;%b\r\n%c\r\n" % (b"a" * 4_000, byte) for byte in EVENT)
    yield from framed("many extensions", [CHUNKED], many + b"0\r\n\r\n", {400, 413, 431}, end=End.CLOSES)
    lines = b"\r\n" * (BUDGET // 2)
    yield refused("empty lines before the first", lines + request(), 400, 431)
    yield case(
        "empty lines between", request() + lines + request().replace(b"?", b"hidden"), 200, {400, 431}, end=End.CLOSES
    )
    yield case(
        "empty lines behind an event",
        event() + lines + request().replace(b"?", b"hidden"),
        201,
        {400, 431},
        end=End.CLOSES,
    )
    yield case("a budget for each", request(GET, b"A: " + b"b" * (BUDGET - _MARGIN)) * 3, 200, 200, 200)
