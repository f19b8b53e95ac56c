"""Clients that do not read their response."""

import asyncio
from typing import cast

import pytest

from entrypoints.http.server.hardened_protocol import HardenedProtocol
from entrypoints.http.server.serve import CHECK_SECONDS
from entrypoints.http.server.transport import STALL_SECONDS
from tests.support.api import Api
from tests.support.http_steps import GET, LAST_GET, POST, Torrent, until
from tests.support.server import connection, read_head, served
from tests.support.slow_log import SlowLog
from tests.support.time import LoopTime
from tests.support.waiting import PATIENCE


async def test_response_waits_while_writing_is_paused(
    api: Api, slow_log: SlowLog, protocols: list[HardenedProtocol]
) -> None:
    """The server does not add to a full write buffer."""
    async with served(api.app) as port, connection(port) as (reader, writer):
        writer.write(POST)
        await slow_log.asked.wait()
        [only] = protocols
        only.pause_writing()
        slow_log.answers.set()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        only.resume_writing()
        status, _ = await asyncio.wait_for(read_head(reader), 10)
    assert status == 201


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize("request_", [GET, LAST_GET], ids=["kept", "closing"])
async def test_client_that_reads_nothing_is_reset(
    monkeypatch: pytest.MonkeyPatch, protocols: list[HardenedProtocol], request_: bytes, *, in_pieces: bool
) -> None:
    """Also if the server has written everything and only waits to close."""
    time, app = LoopTime(monkeypatch), Torrent(in_pieces=in_pieces)
    async with served(app) as port, connection(port) as (reader, writer):
        transport = cast("asyncio.Transport", writer.transport)
        transport.pause_reading()
        writer.write(request_)
        await app.begun.wait()
        [only] = protocols
        await until(
            lambda: only.transport.get_write_buffer_size() > 1_000_000 or (in_pieces and only.flow.write_paused)
        )
        # The first check finds that something was taken.
        await time.passes(CHECK_SECONDS)
        await time.passes(0.9 * STALL_SECONDS)
        assert only in only.connections
        await time.passes(0.1 * STALL_SECONDS + CHECK_SECONDS)
        await until(lambda: only not in only.connections)
        await asyncio.wait_for(app.ended.wait(), PATIENCE)
        transport.resume_reading()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(50_000_000)


async def test_slow_reader_gets_whole_response(
    monkeypatch: pytest.MonkeyPatch, protocols: list[HardenedProtocol]
) -> None:
    """As long as it reads something."""
    time = LoopTime(monkeypatch)
    async with served(Torrent(in_pieces=True)) as port, connection(port) as (reader, writer):
        writer.write(LAST_GET)
        size = 0
        while some := await reader.read(5_000_000):
            size += len(some)
            if protocols[0] in protocols[0].connections:
                await time.passes(0.5)
    assert size > 50_000_000
