"""The instance that `user-events dev` runs in a data folder: other commands connect to its servers.

While it runs, `instance.json` in its `DATA_DIR` holds the settings of its processes without their secrets; the password
of its PostgreSQL is in a file beside it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from entrypoints.config.environment import with_new_names
from entrypoints.config.errors import SettingsError
from entrypoints.config.settings import Settings, is_secret
from entrypoints.dev.postmaster import is_served

_FILE = "instance.json"
_OWN_PREFIX = "log_"
"""The prefix of settings that each command takes from its own environment."""
_OF_PATHS = ("FILE", "EVENT_SCHEMAS")
"""The ends of the names of settings that are paths."""


class Target(NamedTuple):
    """The environment of a command, and a phrase for people that says where it is from."""

    environment: Mapping[str, str]
    origin: str


@contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Let commands find this instance, which has these settings, and its PostgreSQL in `data_dir`."""
    file = data_dir / _FILE
    fields = [field for field in Settings.model_fields if not field.startswith(_OWN_PREFIX)]
    names = [f"{field}_file".upper() if is_secret(field) else field.upper() for field in fields]
    published = {name: _absolute(name, environment[name]) for name in names if environment.get(name)}
    write_private(file, json.dumps(published, indent=2))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _absolute(name: str, value: str) -> str:
    """Make the path of a file or folder absolute: a command may run in another folder."""
    return str(Path(value).absolute()) if name.endswith(_OF_PATHS) else value


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read; atomically, since others may read it at any moment."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(file)


def target_of(environ: Mapping[str, str]) -> Target:
    """Return the environment for a command: `environ`, or that of the instance in `DATA_DIR` if it runs.

    With `DB_HOST` in `environ` the instance is ignored. Otherwise all settings of the database are the instance's, and
    other variables in `environ` override those of the instance. Raises `SettingsError` where it cannot be read.
    """
    given = {name: value for name, value in with_new_names(environ).items() if value}
    data_dir = Path(given.get("DATA_DIR") or Settings.model_fields["data_dir"].default).resolve()
    file = data_dir / _FILE
    if "DB_HOST" in given:
        return Target(environ, "as the environment says")
    if not file.exists() or not is_served(data_dir / "postgres"):
        return Target(environ, f"as the environment says (no instance runs in {data_dir})")
    try:
        instance: dict[str, str] = json.loads(file.read_text())
    except OSError as error:
        raise SettingsError([f"DATA_DIR: the instance in {data_dir} cannot be read: {error}"]) from error
    own = {name: value for name, value in given.items() if not name.startswith("DB_")}
    return Target({**with_new_names(instance), **own}, f"the instance in {data_dir}")
