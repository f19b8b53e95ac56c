"""Clients that each send the next request when the last one is answered: the highest rate of a server."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import uvloop

from benchmarks.apart import apart
from benchmarks.connection import Connection, connect
from benchmarks.events import Size
from benchmarks.percentiles import percentile
from benchmarks.requests import EVENTS_PER_BATCH, batch_requests, single_requests

What = Literal["single", "batch"]

_REST_SECONDS = 30.0
"""How long the last responses may take."""
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Load:
    """The measurements of the clients."""

    events: int
    """Accepted within `seconds`."""
    all_events: int
    """With those of the requests that were in flight at the end."""
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_seconds: float


async def closed_loop(ports: list[int], *, connections: int, seconds: float, what: What, size: Size) -> Load:
    """Send for `seconds`, from a process of its own."""
    return await apart(_run, ports, connections, seconds, what, size)


def _run(ports: list[int], connections: int, seconds: float, what: What, size: Size) -> Load:
    requests = single_requests(size) if what == "single" else batch_requests(size)
    return uvloop.run(_Clients(requests, what).run(ports, connections, seconds))


class _Clients:
    def __init__(self, requests: Sequence[bytes], what: What) -> None:
        self._requests = cycle(requests)
        self._what = what
        self._deadline = 0.0
        self._waiting = 0
        self._latencies: list[float] = []
        self._events = 0
        self._later_events = 0
        self._trouble: str | None = None
        self._done = asyncio.Event()

    async def run(self, ports: list[int], count: int, seconds: float) -> Load:
        connections = await connect(ports, count, self._answered, self._lost)
        cpu, started = time.process_time(), time.perf_counter()
        self._deadline = started + seconds
        self._waiting = count
        for connection in connections:
            self._send(connection)
        async with asyncio.timeout(seconds + _REST_SECONDS):
            await self._done.wait()
        used = time.process_time() - cpu
        for connection in connections:
            connection.close()
        if self._trouble is not None:
            raise RuntimeError(self._trouble)
        return Load(
            events=self._events,
            all_events=self._events + self._later_events,
            seconds=seconds,
            p50_ms=percentile(self._latencies, 50) * 1000,
            p99_ms=percentile(self._latencies, 99) * 1000,
            client_cpu_seconds=used,
        )

    def _send(self, connection: Connection) -> None:
        connection.sent_at = time.perf_counter()
        connection.send(next(self._requests))

    def _answered(self, connection: Connection, status: bytes, body: bytes) -> None:
        now = time.perf_counter()
        events = self._accepted(status, body)
        if now < self._deadline:
            self._latencies.append(now - connection.sent_at)
            self._events += events
            self._send(connection)
            return
        self._later_events += events
        self._waiting -= 1
        if self._waiting == 0:
            self._done.set()

    def _accepted(self, status: bytes, body: bytes) -> int:
        if self._what == "single" and status == b"201":
            return 1
        if self._what == "batch" and status == b"200" and body.count(b'"published"') == EVENTS_PER_BATCH:
            return EVENTS_PER_BATCH
        self._fail(f"an unexpected answer: {(status + b' ' + body[:_SHOWN_BYTES]).decode(errors='replace')}")
        return 0

    def _lost(self) -> None:
        if not self._done.is_set():
            self._fail("a connection was lost")

    def _fail(self, trouble: str) -> None:
        # One failure ends the run: the other responses are not awaited.
        self._trouble = self._trouble or trouble
        self._done.set()
