"""A connection pooler between the service and its database."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from adapters.postgres.sessions.database import Database
from entrypoints.dev.unprivileged import account_for, launch_for
from tests.support.missing import missing
from tests.support.waiting import eventually
from tools.kafka import probe

# Debian puts it where only root looks.
_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@asynccontextmanager
async def pgbouncer(database: Database, **settings: object) -> AsyncIterator[Database]:
    """Run PgBouncer with these settings; return how to reach `database` through it."""
    if _PROGRAM is None:
        missing("no pgbouncer to test with: apt-get install pgbouncer")
    with tempfile.TemporaryDirectory(prefix="user-events-pgbouncer-") as directory:
        (port,) = probe.free_ports(1)
        folder = Path(directory)
        process = _start(_PROGRAM, folder, database, {"listen_addr": "127.0.0.1", "listen_port": port, **settings})

        async def listens() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            return probe.accepts(port)

        try:
            await eventually(listens, "PgBouncer listens")
            yield replace(database, host="127.0.0.1", port=port)
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)


def _start(program: str, folder: Path, database: Database, settings: Mapping[str, object]) -> subprocess.Popen[bytes]:
    # It refuses root, and the user that it runs as instead has to read its files.
    folder.chmod(0o755)
    users, configuration = folder / "users", folder / "pgbouncer.ini"
    users.write_text(f'"{database.user}" "{database.password}"\n')
    settings = {"unix_socket_dir": "", "auth_type": "scram-sha-256", "auth_file": users, **settings}
    configuration.write_text(
        f"[databases]\n* = host={database.host} port={database.port}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    account = account_for(folder / "none")
    assert account is not None
    launch = launch_for(account, (Path(program), folder))
    assert launch is not None
    return launch.start([program, str(configuration)], folder / "log")
