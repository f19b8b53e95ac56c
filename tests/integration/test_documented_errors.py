"""Errors of the server itself are in the OpenAPI document."""

import httpx
import pytest

from tests.support.api import Api
from tests.support.documented import assert_documented
from tests.support.server import connection, served

REST = b" HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
POST = b"POST /events/generate" + REST + b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health" + REST + b"Host: api\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
        (b"DELETE /health" + REST + b"\r\n", 405),
        (b"GET /health" + REST + b"X: %s\r\n\r\n" % (b"x" * 65_536), 431),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: %s\r\n\r\n" % (b"x" * 65_536), 431),
        (b"BREW /health" + REST + b"\r\n", 501),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /health HTTP/1.2\r\nHost: api\r\n\r\n", 505),
    ],
)
async def test_error_responses_of_server_are_documented(api: Api, request_bytes: bytes, status: int) -> None:
    """With status, headers and problem document."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_bytes)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    method, path, _ = request_bytes.decode().split(" ", 2)
    headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
    answer = httpx.Response(
        int(first.split()[1]), headers=headers, content=body, request=httpx.Request(method, f"http://api{path}")
    )
    assert answer.status_code == status
    await assert_documented(answer)
