"""The instance that `user-events dev` runs in a data folder: commands beside it speak to the same servers.

While it runs, `instance.json` in its `DATA_DIR` holds the settings of its processes without their secrets; the password
of its PostgreSQL is read from the file that stands there anyway.
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
_OWN = ("LOG_",)
"""Settings of the command itself, whatever it speaks to."""


class Target(NamedTuple):
    """What a command speaks to, and how it came to that."""

    environment: Mapping[str, str]
    origin: str


@contextmanager
def announced(data_dir: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Let commands find the instance that has these settings, and whose PostgreSQL is in `data_dir`."""
    file, unfinished = data_dir / _FILE, data_dir / f"{_FILE}.new"
    told = {name: environment[name] for name in _told_variables() if environment.get(name)}
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(told, indent=2))
    unfinished.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def target_of(environ: Mapping[str, str]) -> Target:
    """Choose for a command: with `DB_HOST` what `environ` says; else the instance in `DATA_DIR`, where one runs.

    Of an instance the database is taken whole; other variables that are set go before its own.
    Raises `SettingsError` where the instance cannot be read.
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
    return Target({**instance, **own}, f"the instance in {data_dir}")


def _told_variables() -> Iterator[str]:
    for field in Settings.model_fields:
        name = field.upper()
        if not name.startswith(_OWN):
            yield f"{name}_FILE" if is_secret(field) else name
