"""Generate docs/configuration.md from the settings class.

`--check` writes nothing and fails with the difference if the file is out of date.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from entrypoints.config.settings import Settings, is_secret

_FILE = Path("docs", "configuration.md")
_TITLES = {
    "host": "Addresses",
    "event_log": "Event log",
    "kafka_broker": "Kafka",
    "kafka_security_protocol": "Kafka: TLS and login",
    "log_retention": "Embedded log",
    "db_host": "PostgreSQL",
    "batch_size": "Work and its limits",
    "log_level": "Logs and local data",
}
"""Titles, by the first setting below them in the order of the class."""
_HEAD = """\
# Configuration

<!-- Generated from the class Settings by `make docs`; do not edit. -->

Every setting is an environment variable; an empty one counts as unset. Each process checks all of them at its start and
reports every problem at once (exit code 2). `user-events config` prints the settings in force. Words such as
those of `LOG_LEVEL` may be written in any case. A variable that looks like a setting but is none causes a warning.

A secret may come from a file instead: the variable with the suffix `_FILE` names it. The file is read for each new
connection. A line break at its end does not count. Giving both is an error. Secrets are never printed.
"""


def render() -> str:
    """Render the document."""
    return "\n".join([_HEAD.rstrip(), *_tables()]) + "\n"


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
        case _, "file-path" | "path":
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
    """Write or check the file; return exit code 1 if it is out of date."""
    fresh = render()
    if "--check" not in arguments:
        _FILE.write_text(fresh)
        return 0
    standing = _FILE.read_text() if _FILE.exists() else ""
    difference = difflib.unified_diff(standing.splitlines(), fresh.splitlines(), str(_FILE), "Settings", lineterm="")
    if lines := list(difference):
        print("\n".join(lines), "\nrun: make docs", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
