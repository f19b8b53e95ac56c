"""The service's own processes, as an operator starts, watches and stops them."""

import asyncio
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.support.waiting import PATIENCE, eventually
from tools.kafka import probe

Kind = Literal["api", "consumer"]
PORTS: Mapping[Kind, str] = {"api": "PORT", "consumer": "CONSUMER_PORT"}
READY_SECONDS = 90.0
"""A killed member's partitions are free only when its session has ended."""
_END_SECONDS = 60.0
_SHOWN_CHARS = 50_000
SOURCES = str(Path(__file__).parents[2] / "src")
"""A copy of the project tests its own code, whichever one is installed."""
_PER_EVENT = '"logger":"events","level":"info"'


class Service:
    """One process, its client, and what it has logged."""

    def __init__(self, kind: Kind, process: Process, port: int, log: Path) -> None:
        self.port = port
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        self.kind = kind
        self.end_was_wanted = False
        """Whether a test ended it, or waits for its end."""
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def text(self) -> str:
        """Everything that it wrote, be it half a line as yet."""
        return self._log.read_text(errors="replace")

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """What it logged, or only the lines with this message."""
        # Read from JSON only where it may be wanted: there can be many lines, asked for again and again.
        *whole, _unfinished = self.text.split("\n")
        candidates = (line for line in whole if event is None or event in line)
        lines = [json.loads(line) for line in candidates if line.startswith("{")]
        return [line for line in lines if event in {None, line["event"]}]

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """The answer to whether it is ready, and its status code; (0, no parts) while it does not answer."""
        try:
            answer = await self.client.get("/health/ready")
        except httpx.TransportError:
            return 0, {"status": None, "parts": {}}
        return answer.status_code, answer.json()

    async def parts(self) -> dict[str, Any]:
        """The parts that it is ready or not ready with, by name; empty while it does not answer."""
        parts: dict[str, Any] = (await self.readiness())[1]["parts"]
        return parts

    async def is_ready(self) -> bool:
        """Whether all parts are up."""
        code, report = await self.readiness()
        return code == 200 and report["status"] == "UP"

    async def ready(self) -> None:
        """Return when it is ready for all of its work."""
        await eventually(self._is_ready_or_ended, "ready", within=READY_SECONDS)
        assert self._process.returncode is None, f"it ended: {self.text}"

    async def degraded(self) -> None:
        """Return when it is ready for its own work, but not for all, or waits for a person."""
        await self._answers(200, "DEGRADED")

    async def not_up(self) -> None:
        """Return when it answers that something is wrong, whether it is ready or not."""

        async def something_is_wrong() -> bool:
            return (await self.readiness())[1]["status"] in {"DEGRADED", "DOWN"}

        await eventually(something_is_wrong, "not up")

    async def not_ready(self) -> None:
        """Return when it answers that it is not."""
        await self._answers(503, "DOWN")

    async def refuses(self) -> None:
        """Return when it takes no connections any more."""

        async def nobody_listens() -> bool:
            return not probe.accepts(self.port)

        await eventually(nobody_listens, "no connection taken")

    async def logged(self, event: str) -> None:
        """Return when it has logged this message."""

        async def has_logged() -> bool:
            return bool(self.lines(event))

        await eventually(has_logged, f"a line with {event!r}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        self.end_was_wanted = True
        async with asyncio.timeout(_END_SECONDS):
            return await self._process.wait()

    async def terminate(self) -> int:
        """Ask it to end, wait until it has, and return the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def kill9(self) -> None:
        """End it without warning."""
        self.end_was_wanted = True
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _is_ready_or_ended(self) -> bool:
        return self._process.returncode is not None or await self.is_ready()

    async def _answers(self, code: int, status: str) -> None:
        async def does() -> bool:
            answered, report = await self.readiness()
            return (answered, report["status"]) == (code, status)

        await eventually(does, status, within=READY_SECONDS)


class Services:
    """Starts processes with settings of a test's own; made by `services`, which leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._started: list[Service] = []

    async def start(self, kind: Kind, environment: Mapping[str, str], module: str = "entrypoints") -> Service:
        """Start a process, at a free port unless its variable gives one, and return at once."""
        port = int(environment.get(PORTS[kind]) or probe.free_ports(1)[0])
        log = self._folder / f"{next(self._numbers)}-{kind}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                # It ends with these tests even where they are killed.
                *(sys.executable, "-m", module, kind, "--until-eof"),
                # Nothing of the caller's environment, which may have settings.
                env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "HOST": "127.0.0.1"}
                | {PORTS[kind]: str(port)}
                | dict(environment),
                stdin=PIPE,
                stdout=output,
                stderr=STDOUT,
            )
        service = Service(kind, process, port, log)
        self._started.append(service)
        return service

    @property
    def started(self) -> Sequence[Service]:
        """All that were started, ended ones too."""
        return self._started

    async def close(self) -> None:
        """Kill what still runs, and show the last of what all have logged, which pytest keeps for failures."""
        for service in self._started:
            await service.kill9()
            await service.client.aclose()
            told = [line for line in service.text.splitlines() if _PER_EVENT not in line]
            sys.stdout.write("\n".join(told)[-_SHOWN_CHARS:])


@asynccontextmanager
async def services(folder: Path) -> AsyncIterator[Services]:
    """Processes that log to `folder`."""
    started = Services(folder)
    try:
        yield started
    finally:
        await started.close()
