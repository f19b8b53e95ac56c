"""Requests that offer an upgrade, as JDK's client and `curl --http2` do, are served in HTTP/1.1."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from tests.support.api import TOPIC, Api, an_api
from tests.support.server import connection, exchange, read_head, served

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
POST = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"

Framed = Callable[[bytes], bytes]


def event(user: bytes) -> bytes:
    """Make the body of a request."""
    return b'{"userId":"%s","eventType":"LOGIN"}' % user


def by_length(body: bytes) -> bytes:
    """Make a request with an offer and Content-Length."""
    return POST + OFFER + b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(body: bytes) -> bytes:
    """Make a request with an offer and a chunked body."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    return POST + OFFER + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: t\r\n\r\n"


def without_offer(body: bytes) -> bytes:
    """Make a request without an offer."""
    return POST + b"Content-Length: %d\r\n\r\n" % len(body) + body


def users(api: Api) -> list[str]:
    """Return the users of the events in the log."""
    return sorted(json.loads(record.value or b"")["userId"] for record in api.log.records(TOPIC))


async def statuses(port: int, *segments: bytes) -> list[int]:
    """Send each segment once the server has read the one before; return the answers until it closes."""
    async with connection(port) as (reader, writer):
        for segment in segments:
            writer.write(segment)
            # The server is in the same loop: what was written on loopback it reads in its next turns.
            for _ in range(3):
                await asyncio.sleep(0)
        answers = await reader.read()
    return [int(head[:3]) for head in answers.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("framed", [by_length, in_chunks])
async def test_body_after_offer_is_read_at_any_split(framed: Framed) -> None:
    """At any byte, with another request behind it."""
    request = framed(event(b"u")) + LAST
    async with an_api() as api, served(api.app) as port:
        for cut in range(len(request)):
            assert await statuses(port, request[:cut], request[cut:]) == [201, 200], cut
        assert users(api) == ["u"] * len(request)


@pytest.mark.parametrize("framed", [by_length, in_chunks])
async def test_body_after_offer_is_read_byte_by_byte(api: Api, framed: Framed) -> None:
    """As a very slow client sends it."""
    request = framed(event(b"u")) + LAST
    async with served(api.app) as port:
        segments = [request[place : place + 1] for place in range(len(request))]
        assert await statuses(port, *segments) == [201, 200]
    assert users(api) == ["u"]


async def test_pipelined_offers_are_answered_in_order(api: Api) -> None:
    """With and without offers, with empty bodies and without a body."""
    nothing = b"GET /health HTTP/1.1\r\nHost: api\r\n" + OFFER + b"\r\n"
    empty = b"GET /health HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n" + OFFER + b"\r\n"
    requests = [
        by_length(event(b"1")),
        nothing,
        without_offer(event(b"2")),
        in_chunks(event(b"3")),
        empty,
        by_length(b"{"),
        LAST,
    ]
    async with served(api.app) as port:
        assert await statuses(port, b"".join(requests)) == [201, 200, 201, 201, 200, 400, 200]
    assert users(api) == ["1", "2", "3"]


@pytest.mark.parametrize("framed", [by_length, in_chunks])
async def test_request_within_body_of_offer_is_not_executed(api: Api, framed: Framed) -> None:
    """It is part of a body, and must not be executed (request smuggling)."""
    head, end, body = framed(without_offer(event(b"evil"))).partition(b"\r\n\r\n")
    async with served(api.app) as port:
        assert await statuses(port, head + end + body + LAST) == [400, 200]
        assert await statuses(port, head + end, body, LAST) == [400, 200]
    assert users(api) == []


async def test_offer_with_connection_close_closes_connection(api: Api) -> None:
    """Later requests are not executed."""
    closing = by_length(event(b"u")).replace(b"Connection: ", b"Connection: close, ")
    async with served(api.app) as port:
        assert await statuses(port, closing + by_length(event(b"evil"))) == [201]
    assert users(api) == ["u"]


async def test_offer_with_broken_body_gets_400(api: Api) -> None:
    """As without the offer."""
    async with served(api.app) as port:
        broken = POST + OFFER + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"
        assert await statuses(port, broken) == [400]
        assert (await exchange(port, LAST))[0] == 200
    assert users(api) == []


async def test_offer_with_expectation_gets_100(api: Api) -> None:
    """`Expect: 100-continue` has its usual meaning."""
    request = by_length(event(b"u")).replace(OFFER, OFFER + b"Expect: 100-continue\r\n")
    head, end, body = request.partition(b"\r\n\r\n")
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(head + end)
        assert (await read_head(reader))[0] == 100
        writer.write(body)
        assert (await read_head(reader))[0] == 201


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
async def test_offer_is_ignored_silently(api: Api, caplog: pytest.LogCaptureFixture, protocol: bytes) -> None:
    """An offer is legitimate, and an operator could do nothing about it."""
    request = LAST.replace(b"close", b"close, upgrade").replace(b"\r\n\r\n", b"\r\nUpgrade: %b\r\n\r\n" % protocol)
    with caplog.at_level(logging.WARNING):
        async with served(api.app) as port:
            assert await statuses(port, request) == [200]
    assert caplog.messages == []
