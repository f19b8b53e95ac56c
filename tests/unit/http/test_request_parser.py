"""Requests parse equally however TCP splits them, and their bytes outside content are limited."""

import time
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.problems import HttpProblem
from entrypoints.http.server.receive_buffer import MAX_OVERHEAD_BYTES
from entrypoints.http.server.request_parser import ParsedRequest, RequestParser

GET = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
POST = b"POST /x?a=b HTTP/1.1\r\nHost: api\r\n"
SIZED = POST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
IN_CHUNKS = CHUNKED + b'3;a=b ; c="d;\\"e"\r\nhel\r\n0002\r\nlo\r\n000\r\nTrailer: t\r\nContent-Length: 9\r\n\r\n'
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"

Found = list[tuple[object, ...]]


def read(*segments: bytes) -> Found:
    """Parse segments into requests, (method, path, query, content), and the error or state at the end."""
    reader, found, content = RequestParser(), [], b""
    head: ParsedRequest | None = None
    try:
        for segment in segments:
            reader.feed(segment)
            while (part := reader.read()) is not None:
                if isinstance(part, ParsedRequest):
                    head, content = part, b""
                else:
                    content += part
                if reader.content is None:
                    assert head is not None
                    found.append((head.method, head.path, head.query, content, head.keep_alive, *head.headers))
    except HttpProblem as problem:
        found.append((problem.status, problem.detail, reader.invalid_request.method))
    else:
        found.append((reader.content is not None, reader.is_between_requests))
    return found


def cut(stream: bytes, size: int) -> list[bytes]:
    """Split `stream` into segments of `size` bytes."""
    return [stream[place : place + size] for place in range(0, len(stream), size)]


STREAMS = {
    "get": GET,
    "empty lines": b"\r\n\r\n" + GET + b"\r\n" + GET,
    "sized": SIZED + GET,
    "chunks": IN_CHUNKS + GET,
    "offer": SIZED.replace(b"Host", OFFER + b"Host") + IN_CHUNKS.replace(b"Host", OFFER + b"Host") + GET,
    "close": GET.replace(b"Host", b"Connection: Keep-Alive,Close\r\nHost") + GET,
    "zeros": SIZED.replace(b"5\r\n", b"0" * 5000 + b"5\r\n") + GET,
    "1.0": GET.replace(b"1.1", b"1.0"),
    "absolute": GET.replace(b"/health", b"http://api?x"),
    "garbage": b"\x16\x03\x01\x02\x00",
    "no line": b"nonsense\r\n\r\n",
    "bare newline": GET.replace(b"1.1\r\n", b"1.1\n"),
    "bare newlines at the end": GET.replace(b"api\r\n\r\n", b"api\n\n"),
    "no http": b"GET / HTTX/1.1\r\n\r\n",
    "method": GET.replace(b"GET", b"FOO"),
    "version": GET.replace(b"1.1", b"1.2"),
    "fragment": GET.replace(b"/health", b"/health#x"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET.replace(b"Host: api", b"Host: a\r\nHost: a"),
    "gzip": CHUNKED.replace(b"chunked", b"gzip, chunked"),
    "broken size": CHUNKED + b"1x\r\n",
    "long chunk": CHUNKED + b"1\r\nab\r\n",
    "broken trailer": CHUNKED + b"0\r\nnone\r\n\r\n",
    "half a request": IN_CHUNKS[:-1],
    "half a head": GET[:-1],
    "many": (GET + SIZED + IN_CHUNKS) * 3,
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_stream_parses_equally_wherever_it_is_split(stream: bytes) -> None:
    """In two at any byte, or in single bytes."""
    whole = read(stream)
    for place in range(len(stream)):
        assert read(stream[:place], stream[place:]) == whole, place
    assert read(*cut(stream, 1)) == whole


@given(
    st.lists(st.sampled_from(list(STREAMS.values())), max_size=4).map(b"".join), st.binary(max_size=20), st.integers(1)
)
def test_any_stream_parses_equally_in_segments(stream: bytes, rubbish: bytes, size: int) -> None:
    """Also with garbage behind it."""
    stream += rubbish
    assert read(*cut(stream, size)) == read(stream)


@pytest.mark.parametrize("size", [1_000, 100_000])
@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"GET / HTTP/1.1\r\n\n" + b"x" * 70_000 + b"\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: a\r\na: " + b"x" * 70_000 + b"\n\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nHost: a\r\na: " + b"x" * 70_000 + b"\r\n\r\n", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_first_error_is_reported(stream: bytes, status: HTTPStatus, size: int) -> None:
    """However many bytes arrive with it."""
    [(found, *_)] = read(*cut(stream, size))
    assert found == status


def test_each_request_has_own_list_of_headers() -> None:
    """Parsed header sections are cached, and an application may change its headers."""
    reader = RequestParser()
    for _ in range(2):
        reader.feed(GET)
        head = reader.read()
        assert isinstance(head, ParsedRequest)
        assert head.headers == [(b"host", b"api")]
        head.headers.clear()


def test_headers_of_invalid_request_are_available() -> None:
    """They contain the request id."""
    reader = RequestParser()
    reader.feed(GET.replace(b"Host: api", b"Host: a b\r\nX-Request-ID: mine"))
    with pytest.raises(HttpProblem):
        reader.read()
    assert (b"x-request-id", b"mine") in reader.invalid_request.headers


def test_content_and_headers_are_parsed_as_sent() -> None:
    """In order, names in lower case, lengths without leading zeros, no trailers."""
    sized, chunked, last = read(SIZED.replace(b"5\r\n", b"0005 \r\n"), IN_CHUNKS)
    host, length, coding = (b"host", b"api"), (b"content-length", b"5"), (b"transfer-encoding", b"chunked")
    assert sized == ("POST", b"/x", b"a=b", b"hello", True, host, length)
    assert chunked == ("POST", b"/x", b"a=b", b"hello", True, host, coding)
    assert last == (False, True)


PADDED = {
    "head": (b"GET / HTTP/1.1\r\nHost: api\r\nX: ", b"\r\n\r\n"),
    "target": (b"GET /", b" HTTP/1.1\r\nHost: api\r\n\r\n"),
    "zeros of a length": (b"GET / HTTP/1.1\r\nHost: api\r\nContent-Length: ", b"\r\n\r\n"),
    "zeros of a size": (CHUNKED + b"1\r\nx\r\n", b"\r\n\r\n"),
    "extension": (CHUNKED + b"1;x=", b"\r\nx\r\n0\r\n\r\n"),
    "trailer": (CHUNKED + b"0\r\nT: ", b"\r\n\r\n"),
}


@pytest.mark.parametrize("case", PADDED.values(), ids=PADDED)
@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_overhead_is_counted_to_the_byte(case: tuple[bytes, bytes], size: int) -> None:
    """Behind another request; content does not count."""
    before, after = case
    content = 1 if b"\r\nx\r\n" in before + after else 0
    padding = b"0" * (MAX_OVERHEAD_BYTES + content - len(before + after))
    *_, fits, _ = read(*cut(SIZED + before + padding + after, size))
    assert fits[0] in {"GET", "POST"}
    _, refusal = read(*cut(SIZED + before + b"0" + padding + after, size))
    assert refusal[0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize("size", [2, 999])
def test_empty_lines_count_towards_next_request(size: int) -> None:
    """They are limited, too."""
    lines = b"\r\n" * ((MAX_OVERHEAD_BYTES - len(GET)) // 2)
    assert read(*cut(GET + lines + GET, size))[1][0] == "GET"
    assert read(*cut(GET + lines + b"\r\n" + GET, size))[1][0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        (b"", b"A"),
        (b"", b"\r\n"),
        (GET[:-2], b"A: b\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED + b"1;a=", b"b"),
        (CHUNKED + b"0\r\n", b"a: b\r\n"),
    ],
    ids=["line", "empty lines", "fields", "zeros", "extension", "trailers"],
)
def test_flood_gets_431_in_any_state(beginning: bytes, unit: bytes) -> None:
    """Before it fills the memory."""
    found = read(beginning, *[unit] * MAX_OVERHEAD_BYTES, unit)
    assert found[-1][0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_endless_chunks_get_431_for_their_framing() -> None:
    """Each byte of content has five bytes of framing."""
    found = read(CHUNKED + b"1\r\nx\r\n" * (MAX_OVERHEAD_BYTES // 5))
    assert found[-1][0] == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize("hostile", [b"a" * 64_000, b"a:" * 32_000 + b"\0"], ids=["one name", "names and a NUL"])
def test_malformed_headers_are_rejected_in_linear_time(hostile: bytes) -> None:
    """The event loop is blocked meanwhile."""
    started = time.process_time()
    assert read(b"GET / HTTP/1.1\r\n" + hostile + b"\r\n\r\n")[0][0] == HTTPStatus.BAD_REQUEST
    assert time.process_time() - started < 0.1
