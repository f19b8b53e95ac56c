"""Lists on a real server: compressed on the way, and linked behind a proxy."""

import json
import zlib
from datetime import timedelta
from uuid import UUID

import httpx

from application.listing import StoredEvent
from entrypoints.http.prefix import Prefix
from tests.support.api import Api, an_api
from tests.support.events import NOON
from tests.support.server import served

LIST = "/events/processed"


def put(api: Api, count: int) -> None:
    """Put rows into the table, a second apart."""
    for number in range(1, count + 1):
        row = StoredEvent(UUID(int=number), "user-1", "LOGIN", "{}", NOON + timedelta(seconds=number), None)
        api.store.rows[row.id] = row


async def test_export_is_compressed_while_streamed() -> None:
    """In chunks, and complete at the end."""
    headers = {"accept": "application/ndjson", "accept-encoding": "gzip"}
    async with an_api() as api, served(api.app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        put(api, 5_000)
        async with http.stream("GET", LIST, headers=headers) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["transfer-encoding"] == "chunked"
            decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
            lines = b"".join([decoder.decompress(chunk) async for chunk in answer.aiter_raw()]).splitlines()
    assert decoder.eof
    assert [UUID(json.loads(line)["id"]).int for line in lines] == [*range(5_000, 0, -1)]


async def test_links_work_through_local_proxy() -> None:
    """The peer is the proxy."""
    prefix = Prefix(trusted_proxies="127.0.0.0/8")
    async with (
        an_api(prefix=prefix) as api,
        served(api.app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"x-forwarded-prefix": "/api"}) as http,
    ):
        put(api, 2)
        listed = await http.get(LIST, params={"limit": 1})
        posted = await http.post("/events/generate", json={"userId": "u", "eventType": "LOGIN"})
    assert listed.links["next"]["url"].startswith("/api/events/processed?")
    assert posted.headers["location"] == f"/api/events/{posted.json()['eventId']}"
