"""Everything on this machine under one parent: what it does when a part ends unasked."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals

import pytest

from tests.support.service import SOURCES
from tests.support.waiting import eventually
from tools.kafka import probe

_START_SECONDS = 60
_END_SECONDS = 30


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """Run `user-events dev`, and leave nothing of it behind."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints", "dev"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "LOG_FORMAT": "json", **environment},
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            # Its children end by themselves.
            process.kill()
        await process.wait()


async def output_until(process: Process, text: str) -> str:
    """Return what it writes up to a line with `text`, or all when there is none."""
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(_START_SECONDS):
        while line := (await process.stdout.readline()).decode():
            output += line
            if text in line:
                break
    return output


def processes_in(folder: Path) -> list[int]:
    """The processes that work in this folder, as all of a PostgreSQL server do in its cluster's."""
    return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/cwd") if _target(each) == folder]


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [SIGKILL, SIGINT])
async def test_postgres_that_ends_unasked_ends_everything(tmp_path: Path, number: Signals) -> None:
    """With its name and its log; nobody else would start it again."""
    ports = probe.free_ports(2)
    environment = {"PORT": str(ports[0]), "CONSUMER_PORT": str(ports[1]), "DATA_DIR": str(tmp_path / "data")}
    cluster = tmp_path / "data" / "postgres"
    async with started(environment) as process:
        assert "ready: http" in await output_until(process, "ready: http")
        os.kill(int((cluster / "postmaster.pid").read_text().splitlines()[0]), number)
        output = await output_until(process, "ended unasked")
        async with asyncio.timeout(_END_SECONDS):
            assert await process.wait() == 1
    assert f"PostgreSQL ended unasked, see {tmp_path / 'data' / 'postgres.log'}" in output
    assert "Traceback" not in output

    async def nothing_is_left() -> bool:
        return not processes_in(cluster) and not any(map(probe.accepts, ports))

    await eventually(nothing_is_left, "nothing left behind")
