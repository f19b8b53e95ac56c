"""An instance of `make run` with dead letters, to practise on."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import asyncpg

from tests.support.service import SOURCES
from tests.support.waiting import PATIENCE
from tools.kafka import probe

_POLL_SECONDS = 0.2


class Practice:
    """An instance of `make run` with some dead letters."""

    def __init__(self, folder: Path, port: int, data: Path) -> None:
        self.folder = folder
        """Where commands run."""
        self._port = port
        instance = json.loads((data / "instance.json").read_text())
        self._database = {name: instance[name] for name in instance if name.startswith(("DB_", "EVENT_LOG"))}
        path = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES}
        self._environment = {**path, "DATA_DIR": str(data), "COLUMNS": "110"}
        self._service = {**path, **self._database}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page."""
        ours = re.sub(r"^user-events", f"{sys.executable} -m entrypoints", command)
        ours = ours.replace("localhost:3000", f"127.0.0.1:{self._port}").replace("curl ", "curl -sSf ", 1)
        return subprocess.run(
            ["bash", "-c", ours], cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )

    def execute(self, statements: str) -> None:
        """Run SQL as the superuser."""
        own = self._database

        password = Path(own["DB_PASSWORD_FILE"]).read_text().strip()

        async def execute() -> None:
            place = {"host": own["DB_HOST"], "port": int(own["DB_PORT"]), "database": own["DB_NAME"]}
            connection = await asyncpg.connect(user=own["DB_USER"], password=password, **place)
            await connection.execute(statements)
            await connection.close()

        asyncio.run(execute())

    def count(self) -> int:
        """Count the dead letters that the index has."""
        return len(json.loads(self.run("curl localhost:3000/dead-letters").stdout))

    def fill(self) -> None:
        """Have three causes make dead letters, one after the other."""
        self.execute(
            "ALTER TABLE events ADD CONSTRAINT has_sku "
            "CHECK (event_type <> 'PRODUCT_VIEW' OR payload ? 'sku') NOT VALID"
        )
        taken = {"eventId": "0198c0de-0000-7000-8000-000000000001", "userId": "alice", "eventType": "LOGIN"}
        self._publish(self._port, taken | {"payload": {"device": "phone"}})
        self._publish(self._port, taken | {"payload": {"device": "tablet"}})
        self._wait_for(1)
        for done, user in enumerate(("bob", "carol", "dave"), start=2):
            self._publish(self._port, {"userId": user, "eventType": "PRODUCT_VIEW", "payload": {"page": "tea"}})
            self._wait_for(done)
        with self._newer_api() as port:
            for user in ("bob", "erin"):
                self._publish(port, {"userId": user, "eventType": "ORDER", "payload": {"sku": "sku-1"}})
        self._wait_for(6)

    @contextmanager
    def _newer_api(self) -> Iterator[int]:
        """Start an api that accepts a type which the consumers do not know yet."""
        port = probe.free_ports(1)[0]
        own = {"HOST": "127.0.0.1", "PORT": str(port), "EVENT_TYPES": "LOGIN,LOGOUT,PRODUCT_VIEW,ORDER"}
        api = subprocess.Popen([sys.executable, "-m", "entrypoints", "api"], env={**self._service, **own})
        try:
            _wait_until(lambda: not self.run(f"curl 127.0.0.1:{port}/health/ready").returncode)
            yield port
        finally:
            api.terminate()
            api.wait()

    def _wait_for(self, letters: int) -> None:
        _wait_until(lambda: self.count() == letters)

    def _publish(self, port: int, event: dict[str, object]) -> None:
        published = self.run(
            f"curl 127.0.0.1:{port}/events/generate -H 'content-type: application/json' -d '{json.dumps(event)}'"
        )
        assert published.returncode == 0, published


def _wait_until(check: Callable[[], bool]) -> None:
    until = monotonic() + PATIENCE
    while not check():
        assert monotonic() < until, "timeout"
        sleep(_POLL_SECONDS)
