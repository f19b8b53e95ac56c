"""Payloads that take long to check, or to talk about, hold the event loop for 20 ms of processor time at most."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from time import thread_time

import pytest

from adapters.schemas.load import load_schemas
from application.event_catalog import EventCatalog
from domain.event_types import EventTypes
from tests.support.api import Api, an_api, call
from tests.support.schema_folders import write

_MAX_SECONDS = 0.020
_HEADERS = [(b"content-type", b"application/json")]
_SLOW = json.dumps({"a": list(range(1_000, 1_250))})
_LONG = json.dumps({f"{index}{'é' * 200}": 1 for index in range(20)}, ensure_ascii=False)
_MANY = json.dumps({"a": [1] * 2_000})


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An API whose types take long to check, or have long names."""
    files = {
        "SLOW.json": {"properties": {"a": {"items": {"enum": list(range(250))}}}},
        "LONG.json": {"additionalProperties": {"type": "string"}},
        "MANY.json": {"properties": {"a": {"items": {"type": "string"}}}},
    }
    schemas = load_schemas(write(tmp_path, files))
    catalog = EventCatalog(EventTypes(schemas), schemas)
    async with an_api(event_types=catalog, max_batch_bytes=8_388_608, max_batch_events=1_000) as made:
        yield made


@pytest.mark.parametrize(
    ("event_type", "payload", "count"), [("SLOW", _SLOW, 50), ("LONG", _LONG, 900), ("MANY", _MANY, 500)]
)
async def test_batch_lets_others_in(api: Api, event_type: str, payload: str, count: int) -> None:
    """Each item is refused, and told in an answer that takes no longer either."""
    item = f'{{"userId":"u","eventType":"{event_type}","payload":{payload}}}'.encode()
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            before = thread_time()
            await asyncio.sleep(0)
            longest = max(longest, thread_time() - before)

    running = asyncio.create_task(others())
    answer = await call(api.app, "POST", "/events/batch", headers=_HEADERS, body=b"[%b]" % b",".join([item] * count))
    running.cancel()
    results = json.loads(answer.body)["results"]
    assert [result["status"] for result in results] == ["rejected"] * count
    assert longest < _MAX_SECONDS
