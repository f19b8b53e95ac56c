"""A grammar of HTTP/1.1: valid requests, even unusual ones, and the echo of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Request:
    """A valid request in bytes, with its properties."""

    method: bytes
    path: bytes
    query: bytes
    body: bytes
    version: bytes
    closes: bool
    """Whether it closes the connection."""
    written: bytes

    @property
    def echo(self) -> bytes:
        """The expected response."""
        return b"" if self.method == b"HEAD" else b"%b %b?%b %b" % (self.method, self.path, self.query, self.body)


_BLANK_LINES = [b"", b"", b"", b"\r\n", b"\r\n\r\n"]
_METHODS = [b"GET", b"POST", b"POST", b"POST", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"]
_TARGETS = [
    *[
        (b"/", b"/", b""),
        (b"/a?b=c", b"/a", b"b=c"),
        (b"/%2F%00", b"/%2F%00", b""),
        (b"/a?b=%0d%0a?", b"/a", b"b=%0d%0a?"),
    ],
    *[(b"http://h/a?b", b"/a", b"b"), (b"/" + b"x" * 3_000, b"/" + b"x" * 3_000, b"")],
]
_FIELDS = [
    *[
        b"X-A:b",
        b"X-A: b",
        b"x-a:\tb\t ",
        b"X-Empty:",
        b"X-B: \xe9\xff",
        b"Cookie: a=b; c=d",
        b"X-Long: " + b"y" * 5_000,
    ],
    *[
        b"Accept: */*",
        b"Accept: text/csv",
        b"Expect: 100-continue",
        b"Content-Type: application/json",
        b"Keep-Alive: 5",
    ],
    *[
        b"X-!#$%&'*+.^_`|~: 1",
        b"X-Colon: a:b::",
        b"TE: trailers",
        b"Transfer-Encodings: chunked",
        b"Content-Lengths: 9",
    ],
]
_UPGRADES = [b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk", b"Upgrade: websocket"]
_HOSTS = [b"h", b"h:80", b"[::1]:3000", b"127.0.0.1", b"a.b-c.example:1"]
_SIZES = ["{:x}", "{:X}", "{:04x}"]
_EXTENSIONS = [b"", b"", b";a", b";a=b", b';a="b;c"', b" ;a = b"]
_TRAILERS = [b"", b"", b"X-T: 1\r\n", b"X-T: 1\r\nX-U:\r\n"]

bodies = st.binary(max_size=40) | st.sampled_from([b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"z" * 5_000])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """Write a chunked body, with extensions and trailers."""
    parts = []
    while body:
        size = draw(st.integers(1, len(body)))
        head = draw(st.sampled_from(_SIZES)).format(size).encode() + draw(st.sampled_from(_EXTENSIONS))
        parts.append(b"%b\r\n%b\r\n" % (head, body[:size]))
        body = body[size:]
        if len(parts) == 3 and body:
            parts.append(b"%x\r\n%b\r\n" % (len(body), body))
            break
    return b"".join([*parts, b"0\r\n", draw(st.sampled_from(_TRAILERS)), b"\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Make a request that every server must accept."""
    method, version = draw(st.sampled_from(_METHODS)), draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    target, path, query = draw(st.sampled_from(_TARGETS))
    fields = [
        b"Host: " + draw(st.sampled_from(_HOSTS)),
        *draw(st.lists(st.sampled_from(_FIELDS), max_size=3, unique=True)),
    ]
    connection = draw(st.sampled_from([b"", b"", b"", b"keep-alive", b"close", b"Close", b"upgrade"]))
    if connection == b"upgrade":
        fields.append(draw(st.sampled_from(_UPGRADES)))
    elif connection:
        fields.append(b"Connection: " + connection)
    body = written_body = b""
    framing = draw(st.sampled_from(["none", "length", "length", "chunked"]))
    if framing != "none":
        body = written_body = draw(bodies)
        if framing == "chunked" and version == b"1.1":
            fields.append(draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked "])))
            written_body = draw(chunked(body))
        else:
            fields.append(
                draw(st.sampled_from([b"Content-Length: %d", b"content-length:%d ", b"Content-Length: 00%d"]))
                % len(body)
            )
    head = b"%b %b HTTP/%b\r\n" % (method, target, version) + b"".join(
        each + b"\r\n" for each in draw(st.permutations(fields))
    )
    closes = version == b"1.0" or connection.lower() == b"close"
    return Request(
        method, path, query, body, version, closes, draw(st.sampled_from(_BLANK_LINES)) + head + b"\r\n" + written_body
    )


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Split a stream at some places, as TCP may."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]
