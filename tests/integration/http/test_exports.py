"""Exports over a real connection."""

import httpx
import pytest
from structlog.testing import capture_logs

from application.listing import Cursor, EventFilter, Page
from domain.errors import Unavailable
from tests.support.api import Api
from tests.support.http_steps import EXPORT, Watched, fill
from tests.support.server import connection, read_head, served


async def test_outage_during_export_breaks_connection(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client can see that the export is incomplete."""
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


async def test_export_stops_reading_after_client_disconnects(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more pages are read from the table."""
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
