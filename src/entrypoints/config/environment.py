"""Environment → settings, with every problem reported at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from entrypoints.config.errors import SettingsError
from entrypoints.config.settings import Settings, is_secret

_FILE = "_FILE"
"""The suffix of a variable that names a file with the secret."""
OLD_NAMES: Mapping[str, str] = {
    "STORM_LETTERS_IN_A_ROW": "DLQ_MAX_CONSECUTIVE",
    "STORM_SHARE": "DLQ_MAX_RATIO",
    "STORM_RECORDS": "DLQ_RATIO_MIN_RECORDS",
    "STORM_WINDOW_SECONDS": "DLQ_RATIO_WINDOW_SECONDS",
}
"""Old names of settings, accepted for one release, each with its new name."""


class SecretFile(SecretStr):
    """A secret in a file, which may be rotated while the process runs: the file is read at each access.

    Only whether there is anything to mask is decided by the content at the start.
    """

    def __init__(self, path: Path) -> None:
        """Raise `OSError` where the secret cannot be read from `path`."""
        self._path = path
        super().__init__(self.get_secret_value())

    def get_secret_value(self) -> str:
        """Read the file; raises `OSError` while it is missing or empty, as during a rotation."""
        try:
            # Editors and `echo` end a file with a line break, which is no part of the secret.
            secret = self._path.read_text().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise OSError(f"{self._path}: {error}") from error
        if not secret:
            raise OSError(f"{self._path} is empty")
        return secret


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the variables of `environ`; an empty one counts as unset. Raises `SettingsError`."""
    values, problems = _read(environ)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [_describe(each, values) for each in error.errors()]
    if problems:
        raise SettingsError(sorted(problems))
    return settings


def old_names_in(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the old names that `environ` uses, each with its new name."""
    return {old: new for old, new in OLD_NAMES.items() if environ.get(old)}


def with_new_names(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with new names instead of old ones; an old name stays where the new one has another value."""
    renamed = dict(environ)
    for old, new in old_names_in(environ).items():
        if (renamed.get(new) or renamed[old]) == renamed[old]:
            renamed[new] = renamed.pop(old)
    return renamed


def _read(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    environ = with_new_names(environ)
    values: dict[str, Any] = {}
    problems = [
        f"{new} is {environ[new]!r}, but its old name {old} is {environ[old]!r}: give only {new}"
        for old, new in old_names_in(environ).items()
    ]
    for name in Settings.model_fields:
        variable = name.upper()
        if value := environ.get(variable):
            values[name] = value
        if is_secret(name) and (path := environ.get(variable + _FILE)):
            if value:
                problems.append(f"{variable} and {variable}{_FILE} are both set: give one of them")
            try:
                values[name] = SecretFile(Path(path))
            except OSError as error:
                problems.append(f"{variable}{_FILE}: cannot be read: {error}")
    return values, problems


def _describe(error: ErrorDetails, values: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    message = error["msg"].removeprefix("Value error, ")
    given = "" if is_secret(name) or name not in values else f" (it is {str(values[name])[:200]!r})"
    return f"{name.upper()}: {message}{given}"
