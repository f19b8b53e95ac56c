"""Requests that the server rejects."""

import pytest
from structlog.testing import capture_logs

from entrypoints.http.app import health_app
from entrypoints.http.server.receive_buffer import MAX_OVERHEAD_BYTES
from tests.support.api import Api
from tests.support.http_steps import CHUNKED_POST, GET, POST_HEADERS, read_problem, read_to_end, statuses
from tests.support.server import connection, exchange, served


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /events/processed?userId=\xff\x00 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET /events/\xff HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: api\r\n\r\n",
        b"CONNECT api:80 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: api\r\nX: \x00\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: api\r\n\xff: x\r\n\r\n",
        POST_HEADERS + b"Content-Length: -1\r\n\r\n",
        POST_HEADERS + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        POST_HEADERS + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        CHUNKED_POST + b"nonsense\r\n\r\n",
    ],
)
async def test_malformed_request_gets_400_and_server_continues(api: Api, request_bytes: bytes) -> None:
    """With a problem document; the connection closes."""
    async with served(api.app) as port:
        async with connection(port) as (reader, writer):
            writer.write(request_bytes)
            document = await read_problem(reader, 400)
        assert document["detail"].startswith("The request is not valid HTTP/1.1: ")
        status, _ = await exchange(port, GET)
        assert status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"FOO /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"PROPFIND /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"get /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"PLAY /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (POST_HEADERS + b"Transfer-Encoding: gzip\r\n\r\n{}", 501),
        (POST_HEADERS + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /health HTTP/3.0\r\nHost: api\r\n\r\n", 505),
        (b"GET /health HTTP/1.2\r\nHost: api\r\n\r\n", 505),
    ],
)
async def test_unsupported_request_gets_501_or_505(api: Api, request_bytes: bytes, status: int) -> None:
    """RFC 9110, sections 15.6.2 and 15.6.6."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_bytes)
        await read_problem(reader, status)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /events/processed?userId=%FF%00 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET /events/%FF%00 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff<>\r\n\r\n",
        b"GET /events/processed HTTP/1.1\r\nHost: api\r\nAccept: \xff;q=\xff\r\nX-Request-ID: \xff\r\n\r\n",
        POST_HEADERS + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    ],
)
async def test_valid_http_with_bad_values_gets_4xx(api: Api, request_bytes: bytes) -> None:
    """The API rejects it with a problem document."""
    async with served(api.app) as port:
        status, head = await exchange(port, request_bytes)
    assert 400 <= status < 500
    assert "\r\ncontent-type: application/problem+json\r\n" in head


async def test_rejection_and_log_line_have_clients_request_id(api: Api) -> None:
    """If the request was read that far."""
    with capture_logs() as lines:
        async with served(api.app) as port, connection(port) as (reader, writer):
            writer.write(b"GET /health HTTP/1.1\r\nX-Request-ID: id-1\r\nHost: api\r\nContent-Length: x\r\n\r\n")
            document = await read_problem(reader, 400)
    assert document["requestId"] == "id-1"
    [line] = lines
    assert (line["event"], line["request_id"], line["status"]) == ("request rejected", "id-1", 400)


async def test_endless_headers_get_431(api: Api) -> None:
    """Before they fill the memory; other clients are still answered."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\nX-Long: " + b"x" * 4 * MAX_OVERHEAD_BYTES)
        await read_problem(reader, 431)
        assert (await exchange(port, GET))[0] == 200


@pytest.mark.parametrize("port_of", ["api", "consumer"])
@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        (b"", b"\r\n"),
        (GET[:-2], b"A: b\r\n"),
        (CHUNKED_POST, b"0"),
        (CHUNKED_POST + b"1;a=", b"b"),
        (CHUNKED_POST + b"1\r\nx\r\n0\r\n", b"a: b\r\n"),
        (GET + CHUNKED_POST, b"1\r\nx\r\n"),
    ],
    ids=["empty lines", "fields", "zeros", "extension", "trailers", "chunks"],
)
async def test_too_many_bytes_outside_content_get_431(api: Api, port_of: str, beginning: bytes, unit: bytes) -> None:
    """On both ports."""
    app = api.app if port_of == "api" else health_app(api.readiness)
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(beginning + unit * (MAX_OVERHEAD_BYTES // len(unit) * 6 // 5))
        found = statuses(await read_to_end(reader))
        # Where there is nothing to post to the answer comes before the flood.
        assert found[-1] == 431 or (port_of == "consumer" and found[-1] in {404, 405})
        assert (await exchange(port, GET))[0] == 200
