"""Generate docs/configuration.md from the settings class.

`--check` writes nothing; it prints the difference and fails where the file is out of date.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from entrypoints.config.environment import OLD_NAMES
from entrypoints.config.settings import Settings, is_secret

_FILE = Path("docs", "configuration.md")
_TITLES = {
    "event_types": "Events",
    "event_log": "Event log",
    "kafka_broker": "Kafka",
    "kafka_security_protocol": "Kafka: TLS and SASL",
    "db_host": "PostgreSQL",
    "host": "HTTP",
    "batch_size": "Consumer",
    "shutdown_grace_seconds": "Shutdown, logs and local data",
}
"""The setting, in the order of the class, that each title precedes."""
_HEAD = """\
# Configuration

<!-- Generated from the class Settings by `make docs`; do not edit. -->

Every setting is an environment variable; an empty one counts as unset. A process checks all settings at its start and
reports every problem at once (exit code 2). `user-events config` prints the current settings. Words such as those of
`LOG_LEVEL` may be written in any case. A variable that resembles a setting but is none causes a warning.

A file may hold a secret instead: the variable with the suffix `_FILE` names the file, which is read for each new
connection, without a line break at its end. Setting both variables is an error. Secrets are never printed.

Old names are accepted until the next release, with a warning:
"""


def render() -> str:
    """Render the document."""
    return "\n".join([_HEAD, *_old_names(), *_tables()]) + "\n"


def _old_names() -> Iterator[str]:
    yield from (f"- `{old}` is now `{new}`" for old, new in OLD_NAMES.items())


def _tables() -> Iterator[str]:
    properties = Settings.model_json_schema()["properties"]
    for name, schema in properties.items():
        if name in _TITLES:
            yield f"\n## {_TITLES[name]}\n\n| variable | default | value | meaning |\n|---|---|---|---|"
        cells = (_variable(name), _default(name), _value(schema), schema["description"])
        yield f"| {' | '.join(cells)} |"


def _variable(name: str) -> str:
    variable = name.upper()
    return f"`{variable}` or `{variable}_FILE`" if is_secret(name) else f"`{variable}`"


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _value(schema: Mapping[str, Any]) -> str:
    # The schema of an optional setting is one of two, the second being null.
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    match schema["type"], schema.get("format"):
        case "boolean", _:
            return "`true` or `false`"
        case "integer" | "number" as kind, _:
            return f"{'whole number' if kind == 'integer' else 'number'} {_range(schema)}"
        case _, "password":
            return "secret"
        case _, "file-path" | "directory-path" | "path":
            return "path"
    return "text"


def _range(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"minimum": least, "maximum": most}:
            return f"from {least} to {most}"
        case {"exclusiveMinimum": bound, "maximum": most}:
            return f"above {bound}, at most {most}"
    raise ValueError(f"without bounds: {schema}")


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` compare it; return the exit code, 1 where it is out of date."""
    fresh = render()
    if "--check" not in arguments:
        _FILE.write_text(fresh)
        return 0
    present = _FILE.read_text() if _FILE.exists() else ""
    difference = difflib.unified_diff(present.splitlines(), fresh.splitlines(), str(_FILE), "Settings", lineterm="")
    if lines := list(difference):
        print("\n".join(lines), "\nrun: make docs", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
