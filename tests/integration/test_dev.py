"""Everything on this machine under one parent: what it does when a part ends unasked."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, Signals

import pytest

from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.postgres.sessions.engine import create_engine
from entrypoints.config.environment import load_settings
from entrypoints.dev.instance import target_of
from entrypoints.processes import parameters
from tests.support.command import Finished, user_events
from tests.support.service import SOURCES
from tests.support.waiting import eventually
from tools.kafka import probe

_START_SECONDS = 120
_END_SECONDS = 90


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
async def test_end_of_postgres_ends_everything(tmp_path: Path, number: Signals) -> None:
    """The error names PostgreSQL and its log; a supervisor has to start all again."""
    ports = probe.free_ports(2)
    environment = {"PORT": str(ports[0]), "CONSUMER_PORT": str(ports[1]), "DATA_DIR": str(tmp_path / "data")}
    cluster = tmp_path / "data" / "postgres"
    async with started(environment) as process:
        assert "ready: http" in await output_until(process, "ready: http")
        os.kill(int((cluster / "postmaster.pid").read_text().splitlines()[0]), number)
        output = await output_until(process, "ended by itself")
        async with asyncio.timeout(_END_SECONDS):
            assert await process.wait() == 1
    assert f"PostgreSQL ended by itself, see {tmp_path / 'data' / 'postgres.log'}" in output
    assert "Traceback" not in output

    async def nothing_is_left() -> bool:
        return not processes_in(cluster) and not any(map(probe.accepts, ports))

    await eventually(nothing_is_left, "nothing left behind")


async def append(data_dir: Path, *values: bytes) -> None:
    """Append records to the log of the instance, past its api."""
    settings = load_settings(target_of({"DATA_DIR": str(data_dir)}).environment)
    engine = create_engine(parameters.database(settings), application_name="tests", pool_size=1)
    await LogWriter(engine, settings.kafka_topic).append([NewRecord(0, None, value, ()) for value in values])
    await engine.dispose()


async def shell(command: str) -> Finished:
    """Run a command line as a person would who pastes it into a terminal, in the folder of `make run`."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command), env={"PATH": os.environ["PATH"]}, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, stdout.decode(), stderr.decode())


@pytest.mark.timeout(300)
async def test_commands_beside_it_connect_to_its_servers(tmp_path: Path) -> None:
    """They find them by the data folder; a command in a log line works as it is printed."""
    api, consumer = probe.free_ports(2)
    data_dir = tmp_path / "data"
    environment = {"PORT": str(api), "CONSUMER_PORT": str(consumer), "DATA_DIR": str(data_dir)}
    settings = {"KAFKA_TOPIC": "clicks", "DLQ_MAX_CONSECUTIVE": "1", "DB_PASS": "no effect"}
    beside = {"DATA_DIR": str(data_dir), "PYTHONPATH": SOURCES}
    async with started(environment | settings) as process:
        output = await output_until(process, "ready: http")
        assert output.count("unknown environment variable") == 1
        await append(data_dir, b"{oops", b"{oops")
        halted = (await output_until(process, "a person has to look")).splitlines()[-1]
        [command] = re.findall("`(.+?)`", json.loads(halted)["action"])

        listed = await shell(f"{command} --json --dry-run")
        assert listed.exit_code == 0, listed.stderr
        [halt] = json.loads(listed.stdout)
        assert (halt["topic"], halt["kind"], halt["waiting"]) == ("clicks", "storm", 1)
        assert f"the instance in {data_dir}: PostgreSQL at 127.0.0.1:" in listed.stderr
        assert (await shell(f"{command} < /dev/null")).exit_code == 2
        assert "resumed: 1" in (await shell(f"{command} --yes")).stderr
        # It halts at the second one as well.
        await output_until(process, '"event":"halted partition resumed"')
        await output_until(process, '"event":"partition halted"')

        audited = await user_events("audit", "--json", environment=beside)
        assert audited.exit_code == 0, audited.stderr
        assert json.loads(audited.stdout)["counts"]["dead"] == 2
        shown = json.loads((await user_events("config", "--json", environment=beside)).stdout)
        assert (shown["PORT"], shown["EVENT_LOG"], shown["DB_HOST"]) == (str(api), "postgres", "127.0.0.1")
        for each in ("migrate", "topics"):
            assert (await user_events(each, environment=beside)).exit_code == 0
        # What is set goes before what the instance has; with a database of one's own there is no instance.
        other = await user_events("resume", environment=beside | {"KAFKA_TOPIC": "other"})
        assert "nothing is halted: topic other" in other.stderr
        elsewhere = await user_events("config", environment=beside | {"DB_HOST": "nowhere"})
        assert elsewhere.stderr.startswith("as the environment says: PostgreSQL at nowhere:5432")
        assert (data_dir / "postgres.password").read_text() not in (data_dir / "instance.json").read_text()

        process.send_signal(SIGINT)
        async with asyncio.timeout(_END_SECONDS):
            await process.communicate()
    after = await user_events("config", environment=beside)
    assert after.stderr.startswith("as the environment says")
    assert not (data_dir / "instance.json").exists()


@pytest.mark.usefixtures("hangups")
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
async def test_closing_the_terminal_ends_everything_in_order(tmp_path: Path) -> None:
    """SIGHUP counts as SIGTERM."""
    ports = probe.free_ports(2)
    environment = {"PORT": str(ports[0]), "CONSUMER_PORT": str(ports[1]), "DATA_DIR": str(tmp_path / "data")}
    async with started(environment) as process:
        assert "ready: http" in await output_until(process, "ready: http")
        process.send_signal(SIGHUP)
        output = await output_until(process, "nothing of this kind")
        async with asyncio.timeout(_END_SECONDS):
            assert await process.wait() == 0
    assert [output.count(f'"event":"{event}"') for event in ("stopping", "stopped")] == [3, 3]
    assert not processes_in(tmp_path / "data" / "postgres")
