"""The whole service on one machine: PostgreSQL, api and consumer as child processes of one parent.

Ctrl-C signals the parent alone, which stops the api, the consumer and PostgreSQL in this order. When the parent is
killed, the end of their stdin stops the children.
"""

import asyncio
import logging
import signal
import sys
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from entrypoints.config.environment import with_new_names
from entrypoints.config.errors import CannotRun, SettingsError
from entrypoints.config.misspelt import misspelt
from entrypoints.config.settings import Settings
from entrypoints.dev.instance import announced
from entrypoints.dev.local_postgres import LocalPostgres
from entrypoints.http.server.serve import listen
from entrypoints.processes.event_catalog import load_catalog
from entrypoints.processes.lifecycle import run_until_signal

_Work = Coroutine[object, object, None]

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_STOP_MARGIN_SECONDS = 5.0
_PROCESSES = ("api", "consumer")
"""In the order in which they are stopped: first the source of new events."""


class ChildFailed(CannotRun):
    """A process of the service, or its PostgreSQL, ended by itself; its own last log lines say why."""


def dev_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with defaults for a single machine: loopback, and the embedded log where no broker is given."""
    given = {name: value for name, value in with_new_names(environ).items() if value}
    embedded = {} if "KAFKA_BROKER" in given else {"EVENT_LOG": "postgres"}
    return {"HOST": "127.0.0.1", **embedded, **given}


def run_dev(settings: Settings, environment: Mapping[str, str], run: Callable[[_Work], None]) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP; `run` runs a coroutine to its end.

    Raises `SettingsError`, `CannotListen`, `LocalPostgresError`, and `ChildFailed` when a child ends unasked.
    """
    if settings.port == settings.consumer_port:
        raise SettingsError([f"CONSUMER_PORT: must be another port than PORT (it is {settings.port})"])
    # Wrong schemas are told once, and before PostgreSQL is started.
    load_catalog(settings)
    for port, variable in ((settings.port, "PORT"), (settings.consumer_port, "CONSUMER_PORT")):
        listen(settings.host, port, variable).close()
    postgres = None
    with ExitStack() as stack:
        if "DB_HOST" not in environment:
            logger.info("starting PostgreSQL", extra={"data": str(settings.data_dir)})
            postgres = stack.enter_context(LocalPostgres(settings.data_dir))
            environment = _with_database(environment, postgres)
            stack.enter_context(announced(settings.data_dir, environment))
        grace = len(_PROCESSES) * (settings.shutdown_grace_seconds + _STOP_MARGIN_SECONDS)
        # The parent has already warned about misspelt variables.
        own = {name: environment[name] for name in environment.keys() - misspelt(environment)}
        children = _Children(settings, own, postgres)
        run(run_until_signal(children.run, grace=grace, until_eof=False))


def _with_database(environment: Mapping[str, str], postgres: LocalPostgres) -> dict[str, str]:
    return {
        **{name: value for name, value in environment.items() if not name.startswith("DB_PASSWORD")},
        "DB_HOST": postgres.host,
        "DB_PORT": str(postgres.port),
        "DB_USER": postgres.user,
        "DB_PASSWORD_FILE": str(postgres.password_file),
        "DB_NAME": postgres.database,
    }


@dataclass(frozen=True, slots=True)
class _Children:
    """The api and the consumer as child processes. The caller starts and stops PostgreSQL."""

    settings: Settings
    environment: Mapping[str, str]
    postgres: LocalPostgres | None

    async def run(self, stop: asyncio.Event) -> None:
        """Start the children, wait until `stop` is set or one of them ends, and stop the others in order."""
        children = {name: await self._start(name) for name in _PROCESSES}
        waits: list[Coroutine[object, object, object]] = [child.wait() for child in children.values()]
        watches = [asyncio.create_task(wait) for wait in [*waits, self._until_postgres_ends()]]
        stopping = asyncio.create_task(stop.wait())
        announcing = asyncio.create_task(self._announce())
        await asyncio.wait([stopping, *watches], return_when=asyncio.FIRST_COMPLETED)
        for task in (announcing, stopping, *watches):
            task.cancel()
        failures = self._failures(children)
        for child in children.values():
            await self._stop(child)
        if failures and not stop.is_set():
            raise ChildFailed(failures[0])

    def _failures(self, children: Mapping[str, Process]) -> list[str]:
        """List the processes that have ended, PostgreSQL first, since the others depend on it."""
        ended = {name: child.returncode for name, child in children.items() if child.returncode is not None}
        failures = [f"the {name} ended by itself {_describe_exit(code)}" for name, code in ended.items()]
        if self.postgres and not self.postgres.is_running:
            return [f"PostgreSQL ended by itself, see {self.postgres.log}", *failures]
        return failures

    async def _until_postgres_ends(self) -> None:
        while self.postgres is None or self.postgres.is_running:
            await asyncio.sleep(_POLL_SECONDS)

    async def _start(self, name: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "entrypoints", name, "--until-eof"),
            env=self.environment,
            stdin=PIPE,
            # Outside the terminal's process group: Ctrl-C signals the parent alone.
            start_new_session=True,
        )

    async def _stop(self, child: Process) -> None:
        if child.returncode is not None:
            return
        child.terminate()
        try:
            async with asyncio.timeout(self.settings.shutdown_grace_seconds + _STOP_MARGIN_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _announce(self) -> None:
        """Log the address of the api once both processes are ready."""
        settings = self.settings
        for port in (settings.port, settings.consumer_port):
            while not await asyncio.to_thread(_is_ready, f"{_address(settings.host, port)}/health/ready"):
                await asyncio.sleep(_POLL_SECONDS)
        logger.info("ready: %s (Ctrl-C stops everything)", _address(settings.host, settings.port))


def _describe_exit(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {-code} ({signal.strsignal(-code)})"


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):  # noqa: S310 - an address of our own making
            return True
    except OSError:
        return False
