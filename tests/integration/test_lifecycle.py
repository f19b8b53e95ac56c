"""How a process starts and ends."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest

from domain.errors import Unavailable, WrongDeployment
from entrypoints.processes.lifecycle import Work, run_together
from entrypoints.processes.preparation import Preparation, retry_while_unavailable
from tests.support.waiting import PATIENCE

# Works until it is stopped, and then as long as the first argument says, or until a line comes. Something beside
# it may fail.
SCRIPT = """
import asyncio
import logging
import sys

from entrypoints.processes.lifecycle import run_together, run_until_signal

logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
linger, grace, until_eof, fails = sys.argv[1], float(sys.argv[2]), "eof" in sys.argv, "fails" in sys.argv

async def work(stop):
    print("working", flush=True)
    await stop.wait()
    print("ending", flush=True)
    await (asyncio.to_thread(sys.stdin.readline) if linger == "line" else asyncio.sleep(float(linger)))

async def fail(stop):
    raise ValueError("broken")

async def both(stop):
    await run_together(stop, work, fail)

asyncio.run(run_until_signal(both if fails else work, grace=grace, until_eof=until_eof))
"""


class Process:
    """A process that runs until a signal."""

    def __init__(
        self,
        *launcher: str,
        linger: float | Literal["line"] = 0.0,
        grace: float = PATIENCE,
        until_eof: bool = False,
        fails: bool = False,
    ) -> None:
        arguments = [str(linger), str(grace), *["eof"] * until_eof, *["fails"] * fails]
        self._process = subprocess.Popen(
            [*launcher, sys.executable, "-c", SCRIPT, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.read() == "working"

    def read(self) -> str:
        """Wait for its next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def write_line(self) -> None:
        """End its lingering."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def close_stdin(self) -> None:
        """End its input, as the kernel does when its parent is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.stdin = None

    def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it still said."""
        try:
            output, _ = self._process.communicate(timeout=PATIENCE)
        finally:
            # Whatever has failed, it outlives no test.
            self._process.kill()
        return self._process.returncode, output


@pytest.mark.usefixtures("hangups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_work_in_order(number: signal.Signals) -> None:
    """Exit code 0 after the work in flight."""
    process = Process()
    process.send(number)
    assert process.end() == (0, "stopping\nending\nstopped\n")


def test_hangup_is_ignored_under_nohup() -> None:
    """The process outlives its terminal."""
    process = Process("nohup")
    process.send(signal.SIGHUP)
    process.send(signal.SIGTERM)
    assert process.read() == "stopping"
    code, output = process.end()
    assert (code, "already stopping" in output) == (0, False)


def test_further_signals_change_nothing() -> None:
    """They do not cut the shutdown short."""
    process = Process(linger="line")
    process.send(signal.SIGTERM)
    assert [process.read(), process.read()] == ["stopping", "ending"]
    process.send(signal.SIGINT)
    assert process.read() == "already stopping"
    process.send(signal.SIGTERM)
    assert process.read() == "already stopping"
    process.write_line()
    assert process.end() == (0, "stopped\n")


def test_end_of_stdin_ends_the_work_on_request() -> None:
    """The parent has ended."""
    process = Process(until_eof=True)
    process.close_stdin()
    assert process.end() == (0, "stopping\nending\nstopped\n")


def test_end_of_stdin_is_ignored_by_default() -> None:
    """A container has no stdin."""
    process = Process()
    process.close_stdin()
    process.send(signal.SIGTERM)
    assert process.end()[0] == 0


def test_hanging_shutdown_is_ended_by_force() -> None:
    """Exit code 1 after the grace period."""
    process = Process(linger=10 * PATIENCE, grace=0.2)
    process.send(signal.SIGTERM)
    assert process.end() == (1, "stopping\nending\nshutdown timeout: exiting by force\n")


def test_failing_work_starts_the_grace_period() -> None:
    """Other work that does not end is ended by force."""
    process = Process(linger=10 * PATIENCE, grace=0.2, fails=True)
    assert [process.read(), process.read()] == ["stopping", "ending"]
    assert process.end() == (1, "shutdown timeout: exiting by force\n")


def until_stopped(ended: list[str], name: str) -> Work:
    """Make a work that notes its end."""

    async def work(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append(name)

    return work


async def test_works_run_concurrently_until_the_stop() -> None:
    """All of them end."""
    ended: list[str] = []
    stop = asyncio.Event()
    together = asyncio.create_task(run_together(stop, until_stopped(ended, "a"), until_stopped(ended, "b")))
    await asyncio.sleep(0)
    assert not together.done()
    stop.set()
    await together
    assert sorted(ended) == ["a", "b"]


async def test_failing_work_stops_the_others_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """They end in order first; errors of the shutdown are not the reason."""
    ended: list[str] = []
    stop = asyncio.Event()

    async def fail(stop: asyncio.Event) -> None:
        raise WrongDeployment("no table")

    async def fail_at_the_end(stop: asyncio.Event) -> None:
        await stop.wait()
        raise Unavailable("cut off")

    async def finish_a_batch(stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0.05)
        ended.append("batch")

    with pytest.raises(WrongDeployment, match="no table"):
        await run_together(stop, fail_at_the_end, finish_a_batch, fail)
    assert stop.is_set()
    assert ended == ["batch"]
    # At once, since the end may have to be forced.
    assert [vars(record)["reason"] for record in caplog.records] == ["WrongDeployment: no table"]


async def test_work_that_ends_early_stops_no_other() -> None:
    """The preparation ends long before the server does."""
    ended: list[str] = []
    stop = asyncio.Event()

    async def prepare(stop: asyncio.Event) -> None:
        ended.append("prepare")

    together = asyncio.create_task(run_together(stop, prepare, until_stopped(ended, "serve")))
    while not ended:
        await asyncio.sleep(0)
    assert not stop.is_set()
    stop.set()
    await together
    assert ended == ["prepare", "serve"]


def step(name: str, taken: list[str], *failures: Exception) -> Callable[[], Awaitable[None]]:
    """Make a step that fails at first, in the ways given."""
    left = list(failures)

    async def take() -> None:
        if left:
            raise left.pop(0)
        taken.append(name)

    return take


async def test_steps_run_in_order_and_are_retried() -> None:
    """The ping succeeds after the last one."""
    taken: list[str] = []
    preparation = Preparation([step("a", taken, Unavailable("down"), Unavailable("down")), step("b", taken)])
    with pytest.raises(Unavailable, match="has not begun"):
        await preparation.ping()
    await preparation.run(asyncio.Event())
    assert taken == ["a", "b"]
    await preparation.ping()


async def test_ping_raises_the_cause_of_the_wait() -> None:
    """A stop ends the wait."""
    taken: list[str] = []
    tried, stop = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        tried.set()
        raise Unavailable("database: down")

    preparation = Preparation([ask, step("b", taken)])
    running = asyncio.create_task(preparation.run(stop))
    await tried.wait()
    with pytest.raises(Unavailable, match="database: down"):
        await preparation.ping()
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await running
    assert taken == []
    with pytest.raises(Unavailable, match="database: down"):
        await preparation.ping()


async def test_stop_cancels_the_current_step() -> None:
    """Building an index may take minutes, and can be repeated."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def build() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    stop = asyncio.Event()
    preparation = Preparation([build])
    running = asyncio.create_task(preparation.run(stop))
    await begun.wait()
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await running
    assert ended.is_set()
    with pytest.raises(Unavailable):
        await preparation.ping()


async def test_patience_ends_with_the_last_error() -> None:
    """A command does not wait for ever, and cancels no attempt."""
    taken: list[str] = []
    await retry_while_unavailable(step("a", taken, Unavailable("down")), patience=PATIENCE)
    assert taken == ["a"]
    with pytest.raises(Unavailable, match="still down"):
        await retry_while_unavailable(step("b", taken, Unavailable("still down")), patience=0)


async def test_wrong_deployment_ends_the_preparation() -> None:
    """A retry would not help."""
    with pytest.raises(WrongDeployment, match="foreign table"):
        await Preparation([step("a", [], WrongDeployment("foreign table"))]).run(asyncio.Event())


async def test_preparation_without_steps_succeeds() -> None:
    preparation = Preparation([])
    await preparation.run(asyncio.Event())
    await preparation.ping()


def test_module_is_the_command(tmp_path: Path) -> None:
    """For a machine where the script is not on the path."""
    command = [sys.executable, "-m", "entrypoints", "config", "--json"]
    environment = {"PORT": "4000", "DATA_DIR": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(ended.stdout)["PORT"] == "4000"
    [servers] = ended.stderr.splitlines()
    assert servers.startswith(f"as the environment says (no instance runs in {tmp_path}): PostgreSQL at postgres:5432")
