"""The headers of every response."""

import pytest

from tests.support.api import Api
from tests.support.server import exchange, served

HOST = b" HTTP/1.1\r\nHost: api\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /events/processed" + HOST + b"\r\n", 200),
        (b"GET /events/processed" + HOST + b"Accept: text/csv\r\n\r\n", 200),
        (b"GET /health/ready" + HOST + b"\r\n", 200),
        (b"OPTIONS *" + HOST + b"\r\n", 204),
        (b"GET /health/" + HOST + b"\r\n", 308),
        (b"GET //health" + HOST + b"\r\n", 404),
        (b"POST /events/generate" + HOST + b"Content-Length: 0\r\n\r\n", 415),
        (b"GET /" + HOST + b"X: %s\r\n\r\n" % (b"x" * 1_000_000), 431),
        (b"what is no request\r\n\r\n", 400),
    ],
)
async def test_response_forbids_caching_and_sniffing(api: Api, request_bytes: bytes, status: int) -> None:
    """`Cache-Control` and `X-Content-Type-Options`."""
    async with served(api.app) as port:
        answered, head = await exchange(port, request_bytes)
    assert answered == status
    assert head.count("\r\ncache-control: no-store\r\n") == 1
    assert head.count("\r\nx-content-type-options: nosniff\r\n") == 1
