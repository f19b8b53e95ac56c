"""What routing costs a POST: plain ASGI in front of the framework, as served, or through the framework's router.

    python -m benchmarks.routing [--seconds N] [--rounds N]

The log is in memory and acknowledges at once; the real log adds the same time to each variant. The variants
take turns; the processor time of the server's process is compared.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from litestar import Litestar, Request, asgi, route
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.memory import MemoryAuditLog, MemoryDeadLetterIndex, MemoryEventStore, MemoryReplayJobs
from adapters.memory.dead_letters.letters import MemoryLetters
from adapters.records import codec
from adapters.system import new_id, utc_now
from application.dead_letters.browse_letters import BrowseLetters
from application.dead_letters.change_letters import ChangeLetters
from application.dead_letters.control_jobs import ControlJobs
from application.dead_letters.edit_letter import EditLetter
from application.dead_letters.use_cases import LetterUseCases
from application.event_catalog import LEGACY_CATALOG
from application.list_processed import ListProcessed
from application.ports import Receipt
from application.publish_event import PublishEvent
from benchmarks.bench import say
from benchmarks.closed_loop import closed_loop
from benchmarks.usage import cpu_seconds
from domain.event import UserEvent
from domain.event_types import LEGACY_TYPES
from domain.validation import EventRules
from entrypoints.http.app import create_app
from entrypoints.http.headers import by_name
from entrypoints.http.middleware import RequestMiddleware, respond_busy
from entrypoints.http.prefix import Prefix
from entrypoints.http.problems import handle_exception
from entrypoints.http.requests.body import BodyReader
from entrypoints.http.routes.generate import generate_handler
from entrypoints.http.server.limits import ConnectionLimit, Limits
from entrypoints.http.server.serve import listen, serve
from entrypoints.processes.health import Readiness
from entrypoints.processes.logs import configure_logging
from tools.kafka import probe, processes

_PATH = "/events/generate"
_TOPIC = "events"
_CONNECTIONS = 64
_MANY = 1_000_000
"""Bytes and requests, without a limit here."""
_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class _Log:
    """Acknowledges at once."""

    def __init__(self) -> None:
        self._offsets = count()

    async def publish(self, events: Sequence[UserEvent], _traceparent: bytes | None = None) -> Sequence[Receipt]:
        return [Receipt(0, next(self._offsets)) for _ in events]

    async def ping(self) -> None:
        pass


_publish = PublishEvent(EventRules(LEGACY_TYPES), _Log(), new_id, utc_now)
_answer = generate_handler(_publish, BodyReader(_MANY), Prefix())


@asgi(_PATH)
async def _by_asgi_route(scope: Scope, receive: Receive, send: Send) -> None:
    await (await _answer(scope, receive, by_name(scope["headers"])))(scope, receive, send)


@route(_PATH, http_method=["POST"])
async def _by_route(request: Request[Any, Any, Any]) -> ASGIApp:
    return await _answer(request.scope, request.receive, by_name(request.scope["headers"]))


def _through_framework(handler: BaseRouteHandler) -> ASGIApp:
    framework = Litestar(
        [handler], exception_handlers={Exception: handle_exception}, openapi_config=None, logging_config=None
    )
    return RequestMiddleware(framework, respond_busy, max_in_flight=_MANY)


def _as_served() -> ASGIApp:
    store, letters, parse = MemoryEventStore(utc_now), MemoryLetters(), codec.parser(EventRules(LEGACY_TYPES))
    index, jobs = MemoryDeadLetterIndex(letters, _TOPIC), MemoryReplayJobs(letters, _TOPIC)
    return create_app(
        _publish,
        ListProcessed(store),
        Readiness({}),
        LetterUseCases(
            BrowseLetters(index, store, parse),
            ChangeLetters(index, jobs),
            EditLetter(index, parse),
            ControlJobs(jobs),
            MemoryAuditLog(letters),
        ),
        event_types=LEGACY_CATALOG,
        prefix=Prefix(),
        max_body_bytes=_MANY,
        max_batch_bytes=_MANY,
        max_batch_events=1_000,
        max_in_flight=_MANY,
    )


_WAYS = ("as served", "the framework's ASGI route", "the framework's route")


def _app(way: str) -> ASGIApp:
    if way == "as served":
        return _as_served()
    return _through_framework(_by_route if way == "the framework's route" else _by_asgi_route)


async def _serve(way: str, port: int) -> None:
    configure_logging("info", "json")
    with listen("127.0.0.1", port, "PORT") as listener:
        limits = Limits(ConnectionLimit(_MANY), keep_alive=60, content_idle=_SECONDS, content_total=_SECONDS)
        await serve(_app(way), listener, asyncio.Event(), drain=1, limits=limits)


@asynccontextmanager
async def _running(way: str, folder: Path) -> AsyncIterator[tuple[int, int]]:
    port = probe.free_ports(1)[0]
    process = processes.start([sys.executable, "-m", "benchmarks.routing", way, str(port)], folder / way).process
    try:
        while not probe.accepts(port):
            await asyncio.sleep(_LOOK_SECONDS)
        yield process.pid, port
    finally:
        processes.stop([process], 10)


async def _microseconds(way: str, seconds: float, folder: Path) -> float:
    """Measure the processor time of a request."""
    async with _running(way, folder) as (pid, port):
        await closed_loop([port], connections=_CONNECTIONS, seconds=1, what="single", size="200")
        before = cpu_seconds(pid)
        load = await closed_loop([port], connections=_CONNECTIONS, seconds=seconds, what="single", size="200")
        return (cpu_seconds(pid) - before) / load.all_events * 1e6


async def _measure(rounds: int, seconds: float) -> Mapping[str, list[float]]:
    figures: dict[str, list[float]] = {way: [] for way in _WAYS}
    with TemporaryDirectory() as folder:
        for number in range(rounds):
            for way, runs in figures.items():
                runs.append(await _microseconds(way, seconds, Path(folder)))
                say(f"{number + 1}: {way}: {runs[-1]:.1f} µs")
    return figures


def main() -> None:
    """Measure all variants, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures = uvloop.run(_measure(options.rounds, options.seconds))
    base = figures[_WAYS[0]]
    for way, runs in figures.items():
        ratio = median(own / first for own, first in zip(runs, base, strict=True))
        sys.stdout.write(f"{way:30} {median(runs):6.1f} µs  {ratio:.2f} x\n")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in _WAYS:
        uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))
    else:
        main()
