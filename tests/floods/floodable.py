"""Both ports of the service in a separate process, over adapters in memory; `floodable` runs this module."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
import uvloop

from application.listing import Cursor, EventFilter, Page, StoredEvent
from entrypoints.http.app import health_app
from tests.support.api import an_api
from tests.support.events import NOON
from tests.support.server import served

EXPORT_ROWS = 100_000
_PAYLOAD = json.dumps({"a": "x" * 1_000})
_KIB_PER_MIB = 1024
_RESET_PEAK = "5"


class Floodable:
    """The process and its memory."""

    def __init__(self, pid: int, api_port: int, health_port: int) -> None:
        self.api_port = api_port
        self.health_port = health_port
        self._proc = Path(f"/proc/{pid}")

    def memory(self) -> float:
        """Return its memory in MiB."""
        return self._status("VmRSS:")

    def peak(self) -> float:
        """Return its peak memory since `forget_peak`, in MiB."""
        return self._status("VmHWM:")

    def forget_peak(self) -> None:
        """Reset the peak."""
        (self._proc / "clear_refs").write_text(_RESET_PEAK)

    def _status(self, name: str) -> float:
        (line,) = (line for line in (self._proc / "status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) / _KIB_PER_MIB


@contextmanager
def floodable() -> Iterator[Floodable]:
    """Run the process."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Floodable(process.pid, *json.loads(process.stdout.readline()))
        # It ends with its input, also where these tests are killed.
        process.stdin.close()


async def _many_rows(_: EventFilter, after: Cursor | None, limit: int) -> Page:
    """Make a page of a virtual table; as with a real one, other tasks can run meanwhile."""
    await asyncio.sleep(0)
    last = min(after.id.int if after else EXPORT_ROWS, EXPORT_ROWS)
    first = max(0, last - limit)
    times = {number: NOON + timedelta(seconds=number) for number in range(last, first, -1)}
    rows = [StoredEvent(UUID(int=number), "u", "LOGIN", _PAYLOAD, time, None) for number, time in times.items()]
    return Page(rows, Cursor(rows[-1].created_at, rows[-1].id) if first else None)


async def _main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with an_api() as api:
        vars(api.store)["page"] = _many_rows
        async with served(api.app) as api_port, served(health_app(api.readiness)) as health_port:
            print(json.dumps([api_port, health_port]), flush=True)  # noqa: T201 - this is what the parent reads
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_main())
