"""Environment → settings, with every problem reported at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from entrypoints.config.secret_file import SecretFile
from entrypoints.config.settings import Settings, is_secret

_FILE = "_FILE"
"""The suffix of a variable that names a file with the secret."""


class SettingsError(Exception):
    """The environment is wrong; `problems` has one line for each thing."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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


def _read(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    problems = []
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
