"""The API on a real server: slow, oversized and broken requests by the byte, and exports that break off."""

import asyncio
import gc
import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from application.listing import Cursor, EventFilter, Page, StoredEvent
from application.ports import Receipt
from domain.errors import Unavailable
from domain.validation import Invalid
from entrypoints.http.problems import HttpProblem
from entrypoints.http.server import deadlines, hardened_protocol
from entrypoints.http.server.receive_buffer import MAX_OVERHEAD_BYTES
from tests.support.api import MAX_BODY_BYTES, TOPIC, Api
from tests.support.events import NOON
from tests.support.server import connection, exchange, read_head, served
from tests.support.slow_log import SlowLog
from tests.support.time import LoopTime
from tests.support.waiting import PATIENCE

T = TypeVar("T")

POST = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
BODY = b'{"userId":"u","eventType":"LOGIN"}'
WHOLE_POST = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
EXPORT = b"GET /events/processed HTTP/1.1\r\nHost: api\r\nAccept: text/csv\r\n\r\n"


class Watched:
    """An application that tells when it has begun with a request, what it has received, and when it is done."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.begun = asyncio.Event()
        self.received: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.finished = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def receive_and_tell() -> Any:
            message = await receive()
            self.received[message["type"]].set()
            return message

        self.begun.set()
        await self._app(scope, receive_and_tell, send)
        if scope["type"] == "http":
            self.finished.set()


async def test_body_in_chunks_is_published(api: Api) -> None:
    """Wherever the chunks begin."""
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in BODY) + b"0\r\n\r\n"
    async with served(api.app) as port:
        status, _ = await exchange(port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert status == 201
    assert len(api.log.records(TOPIC)) == 1


async def test_trace_of_a_request_is_not_that_of_the_next(api: Api) -> None:
    """Also where both come at once, and the second is begun while the first is answered."""
    trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    length = b"Content-Length: %d\r\n" % len(BODY)
    first = POST + b"Traceparent: " + trace + b"\r\n" + length + b"\r\n" + BODY
    second = POST + length + b"Connection: close\r\n\r\n" + BODY
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(first + second)
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 201") == 2
    assert [dict(record.headers).get("traceparent") for record in api.log.records(TOPIC)] == [trace, None]


@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
async def test_head_request_is_answered_without_waiting_for_a_body(api: Api, closing: bytes) -> None:
    """Nothing follows the head, with which the answer would go out together."""
    async with served(api.app, keep_alive=600) as port, connection(port) as (reader, writer):
        writer.write(b"HEAD /events/processed HTTP/1.1\r\nHost: api\r\n" + closing + b"\r\n")
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("silence", "whole", "detail"),
    [
        (0.05, 60, b"Nothing came of the body for 0.05 seconds"),
        (60, 0.05, b"did not arrive within 0.05 seconds"),
    ],
)
async def test_slow_body_is_a_408_and_the_connection_is_closed(
    api: Api, silence: float, whole: float, detail: bytes
) -> None:
    """A client that never finishes holds nothing for long."""
    async with served(api.app, silence=silence, content=whole) as port, connection(port) as (reader, writer):
        writer.write(POST + b"Content-Length: 30\r\n\r\n" + BODY[:5])
        status, head = await read_head(reader)
        assert status == 408
        assert "connection: close" in head
        body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        assert detail in body


async def test_chunked_body_beyond_the_limit_is_a_413(api: Api) -> None:
    """Without a length in advance it is counted as it comes; the end is not waited for."""
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    async with served(api.app) as port:
        request = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (MAX_BODY_BYTES // 0x1000 + 1)
        status, _ = await exchange(port, request)
    assert status == 413


async def test_announced_body_beyond_the_limit_is_a_413_before_it_is_sent(api: Api) -> None:
    """The client is not asked to go on."""
    async with served(api.app) as port:
        status, _ = await exchange(port, POST + b"Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
    assert status == 413


async def test_connection_goes_on_after_a_refused_body(api: Api) -> None:
    """The rest of the body is read away, so that the client sees the answer rather than a reset."""
    body = b" " * (MAX_BODY_BYTES * 10)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        status, head = await read_head(reader)
        assert status == 413
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
        status, _ = await read_head(reader)
        assert status == 200


async def test_client_that_leaves_within_its_body_publishes_nothing(api: Api) -> None:
    """Half a body is none, even when the half is good JSON."""
    watched = Watched(api.app)
    async with served(watched) as port:
        async with connection(port) as (_, writer):
            writer.write(POST + b"Content-Length: 1000\r\n\r\n" + BODY)
            await watched.received["http.request"].wait()
        await watched.finished.wait()
    assert api.log.records(TOPIC) == []


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
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_a_400_and_the_server_lives_on(api: Api, request_bytes: bytes) -> None:
    """In the form of every other error, and nothing more is read from its sender."""
    async with served(api.app) as port:
        async with connection(port) as (reader, writer):
            writer.write(request_bytes)
            document = await read_refusal(reader, 400)
        assert document["detail"].startswith("The request is not valid HTTP/1.1: ")
        status, _ = await exchange(port, b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
        assert status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"FOO /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"PROPFIND /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"get /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (b"PLAY /health HTTP/1.1\r\nHost: api\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n{}", 501),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /health HTTP/3.0\r\nHost: api\r\n\r\n", 505),
        (b"GET /health HTTP/1.2\r\nHost: api\r\n\r\n", 505),
    ],
)
async def test_what_is_not_implemented_is_refused_as_such(api: Api, request_bytes: bytes, status: int) -> None:
    """RFC 9110, sections 15.6.2 and 15.6.6."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_bytes)
        await read_refusal(reader, status)


async def read_refusal(reader: asyncio.StreamReader, expected: int) -> dict[str, Any]:
    """Read the last answer on a connection, which is a problem document; return the document."""
    status, head = await read_head(reader)
    body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
    # What the server has not read before it closed is answered with a reset.
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    document: dict[str, Any] = json.loads(body)
    assert (status, document["status"]) == (expected, expected)
    assert set(document) == {"type", "title", "status", "detail", "instance", "requestId"}
    for header in (
        "content-type: application/problem+json",
        f"x-request-id: {document['requestId']}".lower(),
        "connection: close",
    ):
        assert f"\r\n{header}\r\n" in head
    return document


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /events/processed?userId=%FF%00 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET /events/%FF%00 HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff<>\r\n\r\n",
        b"GET /events/processed HTTP/1.1\r\nHost: api\r\nAccept: \xff;q=\xff\r\nX-Request-ID: \xff\r\n\r\n",
        POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    ],
)
async def test_unfit_request_is_no_error_of_ours(api: Api, request_bytes: bytes) -> None:
    """What is HTTP, the API judges, in the same form."""
    async with served(api.app) as port:
        status, head = await exchange(port, request_bytes)
    assert 400 <= status < 500
    assert "\r\ncontent-type: application/problem+json\r\n" in head


async def test_refusal_bears_the_clients_request_id(api: Api) -> None:
    """As far as it was read; and one line in the log bears it too."""
    with capture_logs() as lines:
        async with served(api.app) as port, connection(port) as (reader, writer):
            writer.write(b"GET /health HTTP/1.1\r\nX-Request-ID: id-1\r\nHost: api\r\nContent-Length: x\r\n\r\n")
            document = await read_refusal(reader, 400)
    assert document["requestId"] == "id-1"
    [line] = lines
    assert (line["event"], line["request_id"], line["status"]) == ("request rejected", "id-1", 400)


async def test_what_was_asked_before_is_answered_before_a_connection_is_refused(api: Api) -> None:
    """The client would otherwise take the refusal for the answer to its first request."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST * 2 + b"nonsense\r\n\r\n")
        for _ in range(2):
            status, head = await read_head(reader)
            assert status == 201
            await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        await read_refusal(reader, 400)


async def test_client_that_ends_its_side_gets_its_answer(api: Api) -> None:
    """As with `nc -N`: the server's own end of the connection follows that of the client at once."""
    async with served(api.app) as port:
        for _ in range(20):
            async with connection(port) as (reader, writer):
                writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
                writer.write_eof()
                assert (await reader.read()).endswith(b'{"status":"UP"}')


async def test_client_that_ends_its_side_waits_for_the_log(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The predecessor's server answers it too."""
    ended = asyncio.Event()
    read_eof = hardened_protocol.HardenedProtocol.eof_received

    def eof_received(self: hardened_protocol.HardenedProtocol) -> bool:
        ended.set()
        return read_eof(self)

    monkeypatch.setattr(hardened_protocol.HardenedProtocol, "eof_received", eof_received)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST)
        writer.write_eof()
        await slow_log.asked.wait()
        await ended.wait()
        slow_log.answers.set()
        answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"\r\nconnection: close\r\n" in answer


async def test_client_that_ends_its_side_gets_all_its_answers(api: Api, slow_log: SlowLog) -> None:
    """Also those of requests that wait for their turn."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST * 5)
        writer.write_eof()
        await slow_log.asked.wait()
        slow_log.answers.set()
        answers = await asyncio.wait_for(reader.read(), 10)
    assert answers.count(b"HTTP/1.1 201 ") == 5


async def test_client_that_ends_its_side_within_a_request_is_left(api: Api) -> None:
    """Half a request has no answer, and nothing is published."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST[:-1])
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert api.log.records(TOPIC) == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (WHOLE_POST.replace(b"HTTP/1.1", b"HTTP/1.0"), 201),
        (WHOLE_POST.replace(b"Host:", b"Connection: close\r\nHost:"), 201),
        (WHOLE_POST.replace(b"LOGIN", b"LOGON").replace(b"HTTP/1.1", b"HTTP/1.0"), 422),
    ],
)
async def test_answer_says_that_it_is_the_last(api: Api, request_bytes: bytes, status: int) -> None:
    """And has all that belongs to any answer, once."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request_bytes)
        found, head = await read_head(reader)
        body = await reader.read()
    names = [line.partition(":")[0] for line in head.splitlines()[1:-1]]
    assert found == status
    assert {"date", "content-type", "content-length", "x-request-id", "connection"} <= set(names)
    assert len(set(names)) == len(names)
    assert "\r\nconnection: close\r\n" in head
    assert f"\r\ncontent-length: {len(body)}\r\n" in head


async def test_answer_waits_for_a_client_that_does_not_read(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not taken yet is enough."""
    connections: list[hardened_protocol.HardenedProtocol] = []
    connect = hardened_protocol.HardenedProtocol.connection_made

    def connection_made(self: hardened_protocol.HardenedProtocol, transport: asyncio.Transport) -> None:
        connections.append(self)
        connect(self, transport)

    monkeypatch.setattr(hardened_protocol.HardenedProtocol, "connection_made", connection_made)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST)
        await slow_log.asked.wait()
        [only] = connections
        only.pause_writing()
        slow_log.answers.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        only.resume_writing()
        status, _ = await asyncio.wait_for(read_head(reader), 10)
    assert status == 201


async def test_client_that_leaves_before_its_answer_costs_no_more_than_a_line(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is stored, and nothing is said to have gone wrong."""
    left = asyncio.Event()
    lose = hardened_protocol.HardenedProtocol.connection_lost

    def connection_lost(self: hardened_protocol.HardenedProtocol, exc: Exception | None) -> None:
        lose(self, exc)
        left.set()

    monkeypatch.setattr(hardened_protocol.HardenedProtocol, "connection_lost", connection_lost)
    watched = Watched(api.app)
    with capture_logs() as logged:
        async with served(watched) as port:
            async with connection(port) as (_, writer):
                writer.write(WHOLE_POST)
                await slow_log.asked.wait()
                # Without a reset it would only end its side, after which it may still read.
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                await asyncio.wait_for(left.wait(), 10)
            slow_log.answers.set()
            await asyncio.wait_for(watched.finished.wait(), 10)
            status, _ = await exchange(port, b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
    assert status == 200
    assert [line for line in logged if line["log_level"] != "debug" and line["event"] != "request"] == []


@contextmanager
def without_collector() -> Iterator[Callable[[type[T]], list[T]]]:
    """Leave garbage alone; gives what tells which objects of a type there are."""
    gc.collect()
    gc.disable()
    try:
        yield lambda kind: [each for each in gc.get_objects() if isinstance(each, kind)]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (POST + b"Content-Length: %d\r\n\r\n" % len(BODY), BODY),
        (POST.replace(b"generate", b"generate/") + b"Content-Length: %d\r\n\r\n" % len(BODY), BODY),
        (b"GET /events/processed HTTP/1.1\r\nHost: api\r\nContent-Length: 4\r\n\r\n", b"none"),
        (b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n", b""),
    ],
    ids=["direct", "framework", "body-of-a-get", "get"],
)
@pytest.mark.parametrize("comes_whole", [True, False])
async def test_answered_request_leaves_nothing_to_the_collector(
    api: Api, monkeypatch: pytest.MonkeyPatch, head: bytes, body: bytes, *, comes_whole: bool
) -> None:
    """It looks for garbage so seldom that a busy server would keep hundreds of megabytes of it."""
    watched, body_came = Watched(api.app), asyncio.Event()
    read = hardened_protocol.HardenedProtocol.data_received

    def data_received(self: hardened_protocol.HardenedProtocol, data: bytes) -> None:
        read(self, data)
        if not self.cycle.more_body:
            body_came.set()

    async def page(*_: object) -> Page:
        await body_came.wait()
        return Page((), None)

    monkeypatch.setattr(hardened_protocol.HardenedProtocol, "data_received", data_received)
    monkeypatch.setattr(api.store, "page", page)
    with without_collector() as living:
        async with served(watched) as port, connection(port) as (reader, writer):
            for _ in range(20):
                body_came.clear()
                writer.write(head + (body if comes_whole else b""))
                if not comes_whole:
                    await watched.begun.wait()
                    writer.write(body)
                _, answer = await read_head(reader)
                await reader.readexactly(int(answer.partition("content-length: ")[2].split()[0]))
                watched.begun.clear()
            assert len(living(RequestResponseCycle)) <= 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (WHOLE_POST.replace(b"/events/generate", b"/nothing"), 404),
        (WHOLE_POST.replace(b"LOGIN", b"LOGON"), 422),
        (POST.replace(b"generate", b"batch") + b"Content-Length: 4\r\n\r\n[{}]", 200),
        (WHOLE_POST.replace(b"}", b","), 400),
        (WHOLE_POST.replace(b"application/json", b"text/plain"), 415),
        (b"nonsense\r\n\r\n", 400),
        (b"GET nonsense HTTP/1.1\r\n\r\n", 400),
    ],
    ids=["no-route", "invalid", "invalid-item", "no-json", "wrong-type", "no-http", "no-target"],
)
async def test_connection_that_ended_leaves_nothing_to_the_collector(api: Api, request_: bytes, status: int) -> None:
    """With it would stay what of its last request nobody wanted to read."""
    with without_collector() as living:
        async with served(api.app) as port:
            for _ in range(5):
                assert (await exchange(port, request_))[0] == status
        assert living(hardened_protocol.HardenedProtocol) == []
        assert living(Invalid) == []


async def test_failed_event_leaves_nothing_to_the_collector(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a client may send many of them while the log is away."""

    async def publish(_: object, _trace: bytes | None = None) -> Sequence[Receipt]:
        raise Unavailable("the log is away")

    monkeypatch.setattr(api.publisher, "publish", publish)
    with without_collector() as living:
        others = living(Unavailable)
        async with served(api.app) as port:
            for _ in range(5):
                assert (await exchange(port, WHOLE_POST))[0] == 503
        assert living(hardened_protocol.HardenedProtocol) == []
        assert len(living(Unavailable)) == len(others)


@pytest.mark.parametrize("trailer", [b"Content-Type: text/plain", b"Content-Encoding: gzip", b"X-Request-Id: trailing"])
async def test_trailer_is_no_header(api: Api, trailer: bytes) -> None:
    """RFC 9110, section 6.5.1."""
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(BODY), BODY, trailer)
    async with served(api.app) as port:
        status, head = await exchange(port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert status == 201
    assert "trailing" not in head


async def test_problem_that_ends_the_connection_is_the_last_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked behind it is neither answered nor done."""
    asked = 0

    async def publish(_: object, _trace: bytes | None = None) -> Sequence[Receipt]:
        nonlocal asked
        asked += 1
        raise HttpProblem(HTTPStatus.REQUEST_TIMEOUT, "too late", headers=[(b"connection", b"close")])

    monkeypatch.setattr(api.publisher, "publish", publish)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST * 2)
        answers = await asyncio.wait_for(reader.read(), 10)
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 408 ") == 1
    assert answers.count(b"\r\nconnection: close\r\n") == 1
    assert asked == 1


async def test_head_that_the_server_does_not_read_is_not_late(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing while as many requests wait as may; a head's time begins after that."""
    time, seconds = LoopTime(monkeypatch), 100 * PATIENCE
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", seconds)
    get = b"GET /health HTTP/1.1\r\nHost: api\r\nConnection: %b\r\n\r\n"
    last = get % b"close"
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(WHOLE_POST + get % b"keep-alive" * hardened_protocol.MAX_PIPELINED + last[:10])
        await slow_log.asked.wait()
        await time.passes(1.6 * seconds)
        slow_log.answers.set()
        await read_head(reader)
        await time.passes(0.6 * seconds)
        writer.write(last[10:])
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 200 ") == hardened_protocol.MAX_PIPELINED + 1
    assert answers.endswith(b'{"status":"UP"}')


def fill(api: Api, count: int, payload_bytes: int = 2) -> None:
    """Put rows into the table."""
    payload = json.dumps({"a": "x" * payload_bytes})
    for number in range(1, count + 1):
        row = StoredEvent(UUID(int=number), "u", "LOGIN", payload, NOON + timedelta(seconds=number), None)
        api.store.rows[row.id] = row


async def test_export_that_fails_on_the_way_breaks_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sees that it has not got everything."""
    fill(api, 2_500)
    read = api.store.page

    async def page(wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        found = await read(wanted, after, limit)
        # What was just read is still delivered.
        api.store.outage = Unavailable("gone away")
        return found

    monkeypatch.setattr(api.store, "page", page)
    with capture_logs() as lines:
        async with served(api.app) as port, httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"http://127.0.0.1:{port}/events/processed", headers={"accept": "text/csv"})
    assert lines[0]["event"] == "export aborted"


async def test_export_ends_when_its_client_leaves(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is not read on for nobody."""
    fill(api, 10_000)
    read = api.store.page
    watched = Watched(api.app)
    pages = 0

    async def page(wanted: EventFilter, after: Cursor | None, limit: int) -> Page:
        nonlocal pages
        pages += 1
        # What is written to a client that is gone is answered with a reset, and the next write fails.
        if pages > 3:
            await watched.received["http.disconnect"].wait()
        return await read(wanted, after, limit)

    monkeypatch.setattr(api.store, "page", page)
    async with served(watched) as port:
        async with connection(port) as (reader, writer):
            writer.write(EXPORT)
            await read_head(reader)
        await watched.finished.wait()
    assert pages == 4


async def test_connection_without_a_request_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer that nobody asked for, unless a head has begun."""
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", 0.05)
    async with served(api.app) as port, connection(port) as (reader, writer):
        assert await reader.read() == b""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\n")
        await read_refusal(reader, 408)


async def test_head_without_end_is_refused_by_its_size(api: Api) -> None:
    """Before it fills the memory; an ordinary request on the same server is answered."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\nX-Long: " + b"x" * 4 * MAX_OVERHEAD_BYTES)
        await read_refusal(reader, 431)
        assert (await exchange(port, b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"))[0] == 200


async def test_time_for_a_head_begins_anew_with_each_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is kept is not ended for what it took before."""
    time, seconds = LoopTime(monkeypatch), 6_000
    monkeypatch.setattr(deadlines, "HEADERS_SECONDS", seconds)
    request = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
    async with served(api.app, keep_alive=seconds) as port, connection(port) as (reader, writer):
        for _ in range(5):
            writer.write(request)
            status, _ = await read_head(reader)
            assert status == 200
            await reader.readexactly(len(b'{"status":"UP"}'))
            await time.passes(0.4 * seconds)
