"""The HTTP API over the adapters in memory; each answer to its client is checked against the OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
from litestar.types import ASGIApp

from adapters.memory import (
    MemoryAuditLog,
    MemoryDeadLetterIndex,
    MemoryEventStore,
    MemoryLog,
    MemoryPublisher,
    MemoryReplayJobs,
)
from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.observability.accepted_violations import AcceptedViolations
from adapters.records import codec
from adapters.system import new_id
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.use_cases import LetterUseCases
from application.event_catalog import LEGACY_CATALOG, EventCatalog
from application.list_processed import ListProcessed
from application.publish_event import PublishEvent
from domain.validation import EventRules
from entrypoints.http.app import create_app
from entrypoints.http.prefix import Prefix
from entrypoints.processes.health import Check, Readiness
from tests.support.documented import assert_documented
from tests.support.events import NOON

TOPIC = "events"
MAX_BODY_BYTES = 20_000
MAX_BATCH_BYTES = 100_000
MAX_BATCH_EVENTS = 50
_NO_PREFIX = Prefix()

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Api:
    """An API, a client of it, and the adapters behind it."""

    app: ASGIApp
    client: httpx.AsyncClient
    log: MemoryLog
    publisher: MemoryPublisher
    store: MemoryEventStore
    readiness: Readiness
    index: MemoryDeadLetterIndex
    jobs: MemoryReplayJobs
    audit_log: MemoryAuditLog

    async def post(self, body: bytes, content_type: str = "application/json", **headers: str) -> httpx.Response:
        """Post an event's body, with additional headers."""
        return await self.client.post(
            "/events/generate", content=body, headers={"content-type": content_type, **headers}
        )

    async def post_batch(self, body: bytes, content_type: str = "application/json", **headers: str) -> httpx.Response:
        """Post a batch's body in the same way."""
        return await self.client.post("/events/batch", content=body, headers={"content-type": content_type, **headers})


@dataclass
class Answer:
    """The response of an application."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""


@asynccontextmanager
async def an_api(
    *,
    event_types: EventCatalog = LEGACY_CATALOG,
    max_in_flight: int = 100,
    cors_origins: Sequence[str] = (),
    prefix: Prefix = _NO_PREFIX,
    max_body_bytes: int = MAX_BODY_BYTES,
    max_batch_bytes: int = MAX_BATCH_BYTES,
    max_batch_events: int = MAX_BATCH_EVENTS,
    admin_open: bool = True,
) -> AsyncIterator[Api]:
    """Make an API of its own log and store, whose time is the day after `NOON`."""

    def clock() -> datetime:
        return NOON + timedelta(days=1)

    log = MemoryLog(clock=clock)
    publisher = MemoryPublisher(log, TOPIC)
    store = MemoryEventStore(clock)
    checks = {
        "log": Check(publisher.ping, "reconnecting"),
        "database": Check(store.ping, "reads answer 503", is_required=False),
    }
    readiness = Readiness(checks, timeout=0.05, clock=clock)
    rules = EventRules(event_types.types, event_types.schemas, AcceptedViolations())
    parse = codec.parser(rules)
    letters = MemoryLetters()
    index, jobs, audit_log = (
        MemoryDeadLetterIndex(letters, TOPIC),
        MemoryReplayJobs(letters, TOPIC, clock=clock),
        MemoryAuditLog(letters),
    )
    app = create_app(
        PublishEvent(rules, publisher, new_id, clock),
        ListProcessed(store),
        readiness,
        LetterUseCases(
            BrowseLetters(index, store, parse),
            ChangeLetters(index, jobs),
            EditLetter(index, parse),
            ControlJobs(jobs),
            audit_log,
        ),
        event_types=event_types,
        max_body_bytes=max_body_bytes,
        max_batch_bytes=max_batch_bytes,
        max_batch_events=max_batch_events,
        max_in_flight=max_in_flight,
        cors_origins=cors_origins,
        prefix=prefix,
        admin_open=admin_open,
    )
    async with a_client(app) as client:
        yield Api(app, client, log, publisher, store, readiness, index, jobs, audit_log)


def a_client(app: ASGIApp, peer: str = "127.0.0.1", host: str = "api") -> httpx.AsyncClient:
    """Make a client that calls `app` without a network; it fails on undocumented responses."""
    hooks = {"response": [assert_documented]}
    transport = httpx.ASGITransport(cast("Any", app), client=(peer, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", event_hooks=hooks)


async def call(
    app: ASGIApp, method: str, path: str, *, query: bytes = b"", headers: Headers = (), body: bytes = b""
) -> Answer:
    """Call `app` with bytes that no well-behaved client would send."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
    }
    answer = Answer()
    requests = iter([{"type": "http.request", "body": body}])

    async def receive() -> object:
        # After the body comes nothing, as from a client that waits for its answer.
        return next(requests, None) or await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        answer.status = message.get("status", answer.status)
        answer.headers |= dict(message.get("headers", ()))
        answer.body += message.get("body", b"")

    await cast("Any", app)(scope, receive, send)
    return answer
