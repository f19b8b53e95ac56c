"""What clients can make the server keep, and for how long, on real sockets."""

import asyncio
import gc
import json
import resource
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, cast

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from entrypoints.http.app import health_app
from entrypoints.http.server import limits
from entrypoints.http.server.deadlines import DISCARD_SECONDS, HEADERS_SECONDS
from entrypoints.http.server.hardened_protocol import MAX_PIPELINED, HardenedProtocol
from entrypoints.http.server.limits import ConnectionLimit, affordable_connections
from entrypoints.http.server.receive_buffer import MAX_OVERHEAD_BYTES
from entrypoints.http.server.serve import CHECK_SECONDS
from entrypoints.http.server.transport import STALL_SECONDS
from tests.support.api import Api
from tests.support.server import connection, exchange, read_head, served
from tests.support.slow_log import SlowLog
from tests.support.time import LoopTime

HEALTH = b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n"
LAST = HEALTH.replace(b"Host", b"Connection: close\r\nHost")
BODY = b'{"userId":"u","eventType":"LOGIN"}'
HEAD = b"POST /events/generate HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
POST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENCE = 10.0

Send = Callable[[Any], Awaitable[None]]


@pytest.fixture
def protocols(monkeypatch: pytest.MonkeyPatch) -> list[HardenedProtocol]:
    """The server's connections, in the order in which they came."""
    made: list[HardenedProtocol] = []
    connect = HardenedProtocol.connection_made

    def connection_made(self: HardenedProtocol, transport: asyncio.Transport) -> None:
        made.append(self)
        connect(self, transport)

    monkeypatch.setattr(HardenedProtocol, "connection_made", connection_made)
    return made


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Read to the end of the connection, be it a reset."""
    read = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while some := await reader.read(100_000):
                read += some
    return read


def statuses(answers: bytes) -> list[int]:
    """Tell the statuses of whole answers."""
    return [int(answer[:3]) for answer in answers.split(b"HTTP/1.1 ")[1:]]


async def once(condition: Callable[[], bool]) -> None:
    """Wait until what happens in this event loop makes it true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("port_of", ["api", "consumer"])
@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        (b"", b"\r\n"),
        (HEALTH[:-2], b"A: b\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED + b"1;a=", b"b"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n"),
        (HEALTH + CHUNKED, b"1\r\nx\r\n"),
    ],
    ids=["empty lines", "fields", "zeros", "extension", "trailers", "chunks"],
)
async def test_flood_outside_a_body_ends_the_connection(api: Api, port_of: str, beginning: bytes, unit: bytes) -> None:
    """On both ports, with an answer that says why."""
    app = api.app if port_of == "api" else health_app(api.readiness)
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(beginning + unit * (MAX_OVERHEAD_BYTES // len(unit) * 6 // 5))
        found = statuses(await everything(reader))
        # Where there is nothing to post to the answer comes before the flood.
        assert found[-1] == 431 or (port_of == "consumer" and found[-1] in {404, 405})
        assert (await exchange(port, HEALTH))[0] == 200


async def test_few_requests_wait_and_all_are_answered(
    api: Api, slow_log: SlowLog, protocols: list[HardenedProtocol]
) -> None:
    """Nothing is read while as many wait as may; then it goes on, in order."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST * 2000 + LAST)
        await slow_log.asked.wait()
        [only] = protocols
        await once(lambda: only.flow.read_paused)
        assert len(only.pipeline) == MAX_PIPELINED
        slow_log.answers.set()
        assert statuses(await everything(reader)) == [201] * 2000 + [200]


@pytest.mark.parametrize("behind", [HEALTH * 5, POST[:-1], CHUNKED + b"100000\r\n" + b" " * 100_000, b"nonsense\r\n"])
async def test_lost_connection_releases_all_that_waited(
    api: Api, slow_log: SlowLog, protocols: list[HardenedProtocol], behind: bytes
) -> None:
    """At once: what is left to the garbage collector may be hundreds of megabytes by then."""
    with without_collector() as living:
        async with served(api.app) as port:
            async with connection(port) as (_, writer):
                writer.write(POST + behind)
                await slow_log.asked.wait()
                await once(lambda: bool(protocols[0].pipeline))
                writer.transport.abort()
            slow_log.answers.set()
            await exchange(port, LAST)
            protocols.clear()
        assert living(RequestResponseCycle) == []
        assert living(HardenedProtocol) == []


@contextmanager
def without_collector() -> Iterator[Callable[[type], list[object]]]:
    """Leave garbage alone; gives what tells which objects of a type there are."""
    gc.collect()
    gc.disable()
    try:
        yield lambda kind: [each for each in gc.get_objects() if isinstance(each, kind)]
    finally:
        gc.enable()


async def test_connection_beyond_the_limit_is_refused(api: Api, protocols: list[HardenedProtocol]) -> None:
    """With a reason, and only as long as the others are open."""
    async with served(api.app, limit=ConnectionLimit(2)) as port, connection(port) as (reader, writer):
        async with connection(port) as (_, second):
            second.write(HEALTH[:10])
            writer.write(HEALTH)
            await read_head(reader)
            async with connection(port) as (refused, _):
                answer = await everything(refused)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 5\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "There are too many connections."
        await once(lambda: len(protocols[0].connections) == 1)
        assert (await exchange(port, HEALTH))[0] == 200


async def test_refused_connections_take_no_room(api: Api, protocols: list[HardenedProtocol]) -> None:
    """Although they stay a while, until they have read why."""
    async with served(api.app, limit=ConnectionLimit(1)) as port, AsyncExitStack() as stack:
        async with connection(port):
            refused = [await stack.enter_async_context(connection(port)) for _ in range(3)]
            assert [(await read_head(reader))[0] for reader, _ in refused] == [503] * 3
        await once(lambda: len(protocols[0].connections) == 3)
        assert (await exchange(port, HEALTH))[0] == 200


async def test_flood_of_connections_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusing takes descriptors, too."""
    monkeypatch.setattr(limits, "MAX_REJECTED", 3)
    async with served(api.app, limit=ConnectionLimit(1)) as port, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(port)) for _ in range(10)]
        answers = [await everything(reader) for reader, _ in opened[1:]]
    assert [bool(answer) for answer in answers] == [True] * 3 + [False] * 6


async def test_health_check_finds_room_among_idle_connections(api: Api) -> None:
    """Whoever holds the others: an orchestrator would end a process that does not answer."""
    limit = ConnectionLimit(3, evicts_idle=True)
    async with served(health_app(api.readiness), limit=limit) as port, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(port)) for _ in range(3)]
        for _, writer in opened:
            writer.write(HEALTH[:10])
        for _ in range(5):
            assert (await exchange(port, HEALTH))[0] == 200
        ends = [asyncio.create_task(everything(reader)) for reader, _ in opened]
        ended, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert {end.result() for end in ended} == {b""}
        for other in others:
            other.cancel()


def test_limit_of_descriptors_bounds_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any left the process could reach neither Kafka nor PostgreSQL."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert affordable_connections(500) == 500
    assert caplog.messages == []
    assert affordable_connections(4096) == 1024 - 320
    assert len(caplog.messages) == 1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert affordable_connections(1_000_000) == 1_000_000


class Torrent:
    """An application whose answer no buffer holds; it notes how it ended."""

    def __init__(self, *, in_pieces: bool) -> None:
        self._in_pieces = in_pieces
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, _scope: object, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        size = 50_000_000
        await receive()
        self.begun.set()
        fields = [] if self._in_pieces else [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        step = 100_000 if self._in_pieces else size
        for _ in range(0, size, step):
            await send({"type": "http.response.body", "body": b"x" * step, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.ended.set()


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize("request_", [HEALTH, LAST], ids=["kept", "closing"])
async def test_client_that_does_not_read_is_reset(
    monkeypatch: pytest.MonkeyPatch, protocols: list[HardenedProtocol], request_: bytes, *, in_pieces: bool
) -> None:
    """Also where nothing but the end of the connection waits for it."""
    time, app = LoopTime(monkeypatch), Torrent(in_pieces=in_pieces)
    async with served(app) as port, connection(port) as (reader, writer):
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        writer.write(request_)
        await app.begun.wait()
        [only] = protocols
        await once(lambda: only.transport.get_write_buffer_size() > 1_000_000 or (in_pieces and only.flow.write_paused))
        # The first check finds that something was taken.
        await time.passes(CHECK_SECONDS)
        await time.passes(0.9 * STALL_SECONDS)
        assert only in only.connections
        await time.passes(0.1 * STALL_SECONDS + CHECK_SECONDS)
        await once(lambda: only not in only.connections)
        await asyncio.wait_for(app.ended.wait(), PATIENCE)
        transport.resume_reading()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(50_000_000)


async def test_client_that_reads_slowly_gets_all(
    monkeypatch: pytest.MonkeyPatch, protocols: list[HardenedProtocol]
) -> None:
    """As long as it takes something."""
    time = LoopTime(monkeypatch)
    async with served(Torrent(in_pieces=True)) as port, connection(port) as (reader, writer):
        writer.write(LAST)
        size = 0
        while some := await reader.read(5_000_000):
            size += len(some)
            if protocols[0] in protocols[0].connections:
                await time.passes(0.5)
    assert size > 50_000_000


async def test_what_follows_an_early_answer_is_read_for_some_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the connection ends, whatever the client still wants to send."""
    time = LoopTime(monkeypatch)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(HEAD + b"Content-Length: 500000000\r\n\r\n")
        status, head = await read_head(reader)
        assert status == 413
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        writer.write(b" " * 1000)
        await time.passes(0.9 * DISCARD_SECONDS)
        assert not reader.at_eof()
        await time.passes(0.1 * DISCARD_SECONDS + 2)
        assert await everything(reader) == b""


@pytest.mark.parametrize(
    ("beginning", "status"), [(HEAD + b"Content-Length: 500000000\r\n\r\n", 413), (b"nonsense\r\n", 400)]
)
async def test_what_follows_an_early_answer_is_read_up_to_a_size(api: Api, beginning: bytes, status: int) -> None:
    """The client sees the answer first, although it sends on."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(beginning + b" " * 900_000)
        found, head = await read_head(reader)
        assert found == status
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        with suppress(ConnectionError):
            for _ in range(1_000):
                writer.write(b" " * 100_000)
                await writer.drain()
            pytest.fail("it reads on and on")


async def test_refused_expectation_is_the_last_of_its_connection(api: Api) -> None:
    """The client may send the content all the same, or leave it out."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 500000000\r\n\r\n")
        status, head = await read_head(reader)
        assert status == 413
        assert "\r\nconnection: close\r\n" in head
        writer.write(HEALTH)
        assert b"HTTP/1.1" not in await everything(reader)


async def test_broken_chunk_behind_a_waiting_request_is_refused_in_turn(api: Api, slow_log: SlowLog) -> None:
    """What was asked before it is answered first."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST + HEALTH + CHUNKED + b"2\r\nxyz\r\n" + HEALTH)
        await slow_log.asked.wait()
        slow_log.answers.set()
        assert statuses(await everything(reader)) == [201, 200, 400]


@pytest.mark.parametrize("trailer", [b"Connection: close", b"Content-Length: 7", b"Transfer-Encoding: chunked"])
async def test_trailer_sets_no_framing(api: Api, trailer: bytes) -> None:
    """Nor does it end the connection."""
    request = CHUNKED + b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(BODY), BODY, trailer)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(request + HEALTH + LAST)
        assert statuses(await everything(reader)) == [201, 200, 200]


@pytest.mark.parametrize("head", [b"HEAD / HTTP/1.1\r\n\r\n", b"HEAD / HTTP/3.0\r\n\r\n", b"HEAD /#x HTTP/1.1\r\n\r\n"])
async def test_refused_head_request_gets_no_content(api: Api, head: bytes) -> None:
    """RFC 9110, section 9.3.2."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(head)
        status, fields = await read_head(reader)
        assert status in {400, 505}
        assert "\r\nconnection: close\r\n" in fields
        assert await everything(reader) == b""


@pytest.mark.parametrize("breaks_off", [True, False])
async def test_stream_to_http_1_0_has_no_chunks(*, breaks_off: bool) -> None:
    """It ends with the connection, hence by a reset if it is not whole."""

    async def app(_scope: object, _receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        if not breaks_off:
            await send({"type": "http.response.body", "body": b""})

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        _, head = await read_head(reader)
        assert "chunked" not in head
        assert "\r\nconnection: close\r\n" in head
        if breaks_off:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b"abc" * 3


async def test_client_of_http_1_0_is_not_asked_to_continue(api: Api) -> None:
    """It would take that for its answer."""
    head, end, body = (
        POST.replace(b"1.1", b"1.0").replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    )
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(head + end)
        writer.write(body)
        assert (await read_head(reader))[0] == 201


async def test_head_of_which_nothing_more_comes_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the answers to what was asked before."""
    time = LoopTime(monkeypatch)
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(HEALTH + HEALTH[:9])
        await read_head(reader)
        await time.passes(HEADERS_SECONDS + 2)
        assert b"HTTP/1.1 408 " in await everything(reader)


async def test_client_that_waits_to_be_asked_for_its_content_is_not_late(
    api: Api, slow_log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once what came before is answered."""
    time = LoopTime(monkeypatch)
    head, end, body = POST.replace(b"Host", b"Expect: 100-continue\r\nHost").partition(b"\r\n\r\n")
    async with served(api.app, silence=10) as port, connection(port) as (reader, writer):
        writer.write(POST + head + end)
        await slow_log.asked.wait()
        await time.passes(15)
        await time.passes(15)
        slow_log.answers.set()
        assert (await read_head(reader))[0] == 201
        await reader.readuntil(b"}")
        assert (await read_head(reader))[0] == 100
        writer.write(body)
        assert (await read_head(reader))[0] == 201


async def breaking_off(_scope: object, _receive: object, send: Send) -> None:
    """Answer in part."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})


async def test_connection_of_an_answer_that_broke_off_is_gone(protocols: list[HardenedProtocol]) -> None:
    """Also where the client had begun another request, which keeps its side open for a moment."""
    async with served(breaking_off) as port:
        async with connection(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: api\r\n\r\nG")
            assert (await everything(reader)).endswith(b"3\r\nabc\r\n")
        await once(lambda: protocols[0] not in protocols[0].connections)


async def test_nothing_is_asked_for_within_an_answer() -> None:
    """A 100 in the middle of it would be taken for a part of it."""

    async def app(_scope: object, receive: Callable[[], Coroutine[Any, Any, object]], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asking = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"abc"})
        await asking

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        answer = await everything(reader)
    assert b"100 Continue" not in answer
    assert answer.endswith(b"3\r\nabc\r\n0\r\n\r\n")


async def test_request_behind_more_than_is_read_away_is_not_begun(api: Api, protocols: list[HardenedProtocol]) -> None:
    """Its answer could not be sent."""
    length, begun = 2_000_000, 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal begun
        begun += 1
        await api.app(scope, receive, send)

    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % length)
        assert (await read_head(reader))[0] == 413
        protocols[0].data_received(b" " * length + POST)
        await everything(reader)
    assert begun == 1
