"""The service's processes, with the defaults of production, logging to a file."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

from adapters.postgres.sessions.database import Database
from benchmarks import usage
from tests.support.server import connection
from tools.kafka import probe

Kind = Literal["api", "consumer"]

_PORTS: Mapping[Kind, str] = {"api": "PORT", "consumer": "CONSUMER_PORT"}
_SOURCES = str(Path(__file__).parents[1] / "src")
_READY_SECONDS = 60.0
_END_SECONDS = 40.0
_LOOK_SECONDS = 0.01
_SHOWN_BYTES = 2_000
_GET_READY = b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_ALL_IS_UP = b'{"status":"UP","parts"'


class Service:
    """One process."""

    def __init__(self, kind: Kind, process: Process, port: int, log: Path, started_at: float) -> None:
        self.kind = kind
        self.port = port
        self.log = log
        self.started_at = started_at
        """By `time.perf_counter`."""
        self._process = process

    @property
    def cpu_seconds(self) -> float:
        """The processor seconds so far."""
        return usage.cpu_seconds(self._process.pid)

    @property
    def peak_memory_mb(self) -> float:
        """The peak memory so far, in MiB."""
        return usage.peak_memory_mb(self._process.pid)

    def check(self) -> None:
        """Raise RuntimeError if it has ended."""
        if self._process.returncode is not None:
            end = self.log.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace")
            raise RuntimeError(f"the {self.kind} ended with {self._process.returncode}: {end}")

    async def ready(self) -> None:
        """Return when it is ready for work."""
        deadline = time.monotonic() + _READY_SECONDS
        while not await self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the {self.kind} is not ready after {_READY_SECONDS:g} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """Terminate it, and kill it if it does not end in time."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _is_ready(self) -> bool:
        with suppress(OSError, EOFError):
            async with connection(self.port) as (reader, writer):
                writer.write(_GET_READY)
                return _ALL_IS_UP in await reader.read()
        return False


def environment(bootstrap: str, topic: str, database: Database) -> dict[str, str]:
    """Make the settings for a topic, a database and a new group; the rest are defaults."""
    return {
        "KAFKA_BROKER": bootstrap,
        "KAFKA_TOPIC": topic,
        "KAFKA_DLQ_TOPIC": f"{topic}-dlq",
        "KAFKA_CONSUMER_GROUP": f"group-{uuid4().hex}",
        "DB_HOST": database.host,
        "DB_PORT": str(database.port),
        "DB_USER": database.user,
        "DB_PASSWORD": database.password,
        "DB_NAME": database.name,
    }


@asynccontextmanager
async def running(kind: Kind, folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Service]:
    """Start a process as `user-events` does; at the end stop it and delete its log."""
    port = probe.free_ports(1)[0]
    log = folder / f"{kind}-{uuid4().hex}.log"
    with log.open("wb") as output:
        started_at = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            # It ends with the benchmarks even if they are killed.
            *(sys.executable, "-m", "entrypoints", kind, "--until-eof"),
            # Nothing of the caller's environment, which may have settings.
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": _SOURCES,
                "HOST": "127.0.0.1",
                "LOG_FORMAT": "json",
                "LOG_LEVEL": "info",
                _PORTS[kind]: str(port),
            }
            | dict(settings),
            stdin=PIPE,
            stdout=output,
            stderr=STDOUT,
        )
    service = Service(kind, process, port, log, started_at)
    try:
        yield service
    finally:
        await service.stop()
        log.unlink()
