"""Clients that send at fixed times, whether or not earlier requests are answered."""

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import uvloop

from benchmarks.apart import apart
from benchmarks.connection import Connection, connect
from benchmarks.requests import single_requests

_CONNECTIONS = 64
_TICK_SECONDS = 0.001
_LEAD_SECONDS = 0.2
_REST_SECONDS = 30.0
_EVENT_ID = re.compile(rb'"eventId": ?"([^"]+)"')


class Accepted(NamedTuple):
    """One event; times are those of the system's clock, as in logs."""

    event_id: str
    intended: float
    """When it was due."""
    at: float
    """When its 201 arrived."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When to send: so many events a second, for so long."""

    per_second: int
    seconds: float

    @property
    def count(self) -> int:
        """The number of events."""
        return round(self.per_second * self.seconds)


async def open_loop(port: int, plan: Plan) -> tuple[list[Accepted], float]:
    """Send events from a process of its own; return them with its processor seconds."""
    return await apart(_run, port, plan)


def _run(port: int, plan: Plan) -> tuple[list[Accepted], float]:
    clients = _Clients(plan)
    started = time.process_time()
    return uvloop.run(clients.run(port)), time.process_time() - started


class _Clients:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = cycle(single_requests("200"))
        self._due: deque[float] = deque()
        self._idle: deque[Connection] = deque()
        self._accepted: list[Accepted] = []
        self._trouble: str | None = None
        self._done = asyncio.Event()

    async def run(self, port: int) -> list[Accepted]:
        connections = await connect([port], _CONNECTIONS, self._answered, self._lost)
        self._idle.extend(connections)
        started = time.time() + _LEAD_SECONDS
        for number in range(self._plan.count):
            intended = started + number / self._plan.per_second
            while time.time() < intended and not self._done.is_set():
                await asyncio.sleep(_TICK_SECONDS)
            self._due.append(intended)
            self._send_due()
        async with asyncio.timeout(_REST_SECONDS):
            await self._done.wait()
        for connection in connections:
            connection.close()
        if self._trouble is not None:
            raise RuntimeError(self._trouble)
        return self._accepted

    def _send_due(self) -> None:
        while self._due and self._idle:
            connection = self._idle.popleft()
            connection.sent_at = self._due.popleft()
            connection.send(next(self._requests))

    def _answered(self, connection: Connection, status: bytes, body: bytes) -> None:
        event_id = _EVENT_ID.search(body)
        if status != b"201" or event_id is None:
            self._fail(f"an unexpected answer: {(status + b' ' + body).decode(errors='replace')}")
            return
        self._accepted.append(Accepted(event_id[1].decode(), connection.sent_at, time.time()))
        self._idle.append(connection)
        self._send_due()
        if len(self._accepted) == self._plan.count:
            self._done.set()

    def _lost(self) -> None:
        if not self._done.is_set():
            self._fail("a connection was lost")

    def _fail(self, trouble: str) -> None:
        self._trouble = self._trouble or trouble
        self._done.set()
