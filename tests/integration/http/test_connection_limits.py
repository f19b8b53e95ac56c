"""The number of connections is limited."""

import asyncio
import json
import resource
from contextlib import AsyncExitStack

import pytest

from entrypoints.http.app import health_app
from entrypoints.http.server import limits
from entrypoints.http.server.hardened_protocol import HardenedProtocol
from entrypoints.http.server.limits import ConnectionLimit, affordable_connections
from tests.support.api import Api
from tests.support.http_steps import GET, read_to_end, until
from tests.support.server import connection, exchange, read_head, served


async def test_connection_over_limit_gets_503(api: Api, protocols: list[HardenedProtocol]) -> None:
    """As long as the others are open."""
    async with served(api.app, limit=ConnectionLimit(2)) as port, connection(port) as (reader, writer):
        async with connection(port) as (_, second):
            second.write(GET[:10])
            writer.write(GET)
            await read_head(reader)
            async with connection(port) as (refused, _):
                answer = await read_to_end(refused)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 5\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "There are too many connections."
        await until(lambda: len(protocols[0].connections) == 1)
        assert (await exchange(port, GET))[0] == 200


async def test_rejected_connections_do_not_count_towards_limit(api: Api, protocols: list[HardenedProtocol]) -> None:
    """They stay open until the client has read the 503."""
    async with served(api.app, limit=ConnectionLimit(1)) as port, AsyncExitStack() as stack:
        async with connection(port):
            refused = [await stack.enter_async_context(connection(port)) for _ in range(3)]
            assert [(await read_head(reader))[0] for reader, _ in refused] == [503] * 3
        await until(lambda: len(protocols[0].connections) == 3)
        assert (await exchange(port, GET))[0] == 200


async def test_too_many_rejected_connections_are_reset(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They use file descriptors, too."""
    monkeypatch.setattr(limits, "MAX_REJECTED", 3)
    async with served(api.app, limit=ConnectionLimit(1)) as port, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(port)) for _ in range(10)]
        answers = [await read_to_end(reader) for reader, _ in opened[1:]]
    assert [bool(answer) for answer in answers] == [True] * 3 + [False] * 6


async def test_health_check_evicts_idle_connection_at_limit(api: Api) -> None:
    """An orchestrator would restart a process that does not answer."""
    limit = ConnectionLimit(3, evicts_idle=True)
    async with served(health_app(api.readiness), limit=limit) as port, AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connection(port)) for _ in range(3)]
        for _, writer in opened:
            writer.write(GET[:10])
        for _ in range(5):
            assert (await exchange(port, GET))[0] == 200
        ends = [asyncio.create_task(read_to_end(reader)) for reader, _ in opened]
        ended, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert {end.result() for end in ended} == {b""}
        for other in others:
            other.cancel()


def test_low_open_file_limit_reduces_max_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Kafka and PostgreSQL need file descriptors, too."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert affordable_connections(500) == 500
    assert caplog.messages == []
    assert affordable_connections(4096) == 1024 - 320
    assert len(caplog.messages) == 1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, 0))
    assert affordable_connections(1_000_000) == 1_000_000
