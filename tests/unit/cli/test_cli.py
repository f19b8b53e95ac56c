"""The command `user-events`: data on stdout, messages on stderr, and exit codes."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrypoints.cli import main
from entrypoints.config.environment import load_settings
from entrypoints.config.program import release
from entrypoints.config.settings import Settings
from tests.support.schema_folders import write
from tests.unit.cli.runner import run

# Nobody listens there.
NOWHERE = {"KAFKA_BROKER": "127.0.0.1:1", "DB_HOST": "127.0.0.1", "DB_PORT": "1"}


def test_config_prints_every_setting_with_secrets_masked() -> None:
    """As lines `NAME=value`."""
    result = run("config", PORT="4000", DB_PASSWORD="s3cret")
    assert result.exit_code == 0
    shown = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert shown["PORT"] == "4000"
    assert shown["DB_PASSWORD"] == "**********"
    assert shown["KAFKA_PARTITIONS"] == ""
    assert list(shown) == [name.upper() for name in Settings.model_fields]


def test_config_prints_json_on_request() -> None:
    """The same settings, for a program."""
    result = run("config", "--json", KAFKA_TOPIC="clicks")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == load_settings({"KAFKA_TOPIC": "clicks"}).shown()


@pytest.mark.parametrize(
    "command", ["config", "api", "consumer", "dev", "migrate", "topics", "resume", "audit", "audit-log"]
)
def test_wrong_settings_are_all_reported_before_the_start(command: str) -> None:
    """Exit code 2."""
    result = run(command, PORT="x", KAFKA_BROKER="kafka", DB_SSLMODE="prefer")
    assert result.exit_code == 2
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["DB_SSLMODE", "KAFKA_BROKER", "PORT"]
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["api", "consumer", "dev"])
def test_mistakes_in_schemas_are_reported_with_wrong_settings(command: str, tmp_path: Path) -> None:
    """One start tells all."""
    folder = write(tmp_path, {"A.json": {"type": "objekt"}, "B.json": "{"})
    result = run(command, EVENT_TYPES="a b", EVENT_SCHEMAS=str(folder))
    assert result.exit_code == 2
    places = [line.split(": ")[:2] for line in result.stderr.splitlines()]
    assert [place[0] for place in places] == ["EVENT_TYPES", "EVENT_SCHEMAS", "EVENT_SCHEMAS"]
    assert [place[1] for place in places[1:]] == ["A.json#/type", "B.json"]
    result = run(command, EVENT_TYPES="a b", EVENT_SCHEMAS=str(tmp_path / "A.json"))
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["EVENT_SCHEMAS", "EVENT_TYPES"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("migrate", "database: ConnectionRefusedError"),
        ("resume", "database: ConnectionRefusedError"),
        ("audit-log", "database: ConnectionRefusedError"),
        ("dlq list", "database: ConnectionRefusedError"),
        ("topics", "kafka: KafkaConnectionError"),
        ("audit", "kafka: KafkaConnectionError"),
    ],
)
def test_unavailable_dependency_is_reported_in_one_line(
    caplog: pytest.LogCaptureFixture, command: str, reason: str
) -> None:
    """Exit code 1 without a traceback, since the program is not at fault."""
    result = run(*command.split(), **NOWHERE)
    assert result.exit_code == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert line.getMessage().startswith(f"ended: {reason}")
    assert line.exc_info is None


def test_dev_refuses_one_port_for_both_processes(tmp_path: Path) -> None:
    """Exit code 2 before the start; on machines of their own both processes may use the same port."""
    result = run("dev", PORT="4000", CONSUMER_PORT="4000", DATA_DIR=str(tmp_path / "data"))
    assert result.exit_code == 2
    assert result.stderr.startswith("CONSUMER_PORT: must be another port than PORT")
    assert not (tmp_path / "data").exists()
    assert run("config", PORT="4000", CONSUMER_PORT="4000").exit_code == 0


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "x" * 64, "[::1]"])
def test_foreign_host_is_reported_in_one_line(caplog: pytest.LogCaptureFixture, host: str) -> None:
    """Exit code 1 without a traceback; the line names the settings to check."""
    result = run("dev", HOST=host, PORT="4000")
    assert result.exit_code == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert line.getMessage().startswith(f"ended: cannot listen on {host}:4000: ")
    assert line.getMessage().endswith(": check HOST and PORT")
    assert line.exc_info is None


@pytest.mark.parametrize("command", ["config", "resume", "audit", "audit-log", "topics", "migrate"])
def test_command_prints_its_servers_to_stderr(command: str) -> None:
    """In one line, apart from its data."""
    result = run(command, **NOWHERE)
    told = "as the environment says: PostgreSQL at 127.0.0.1:1, database eventsdb, Kafka at 127.0.0.1:1"
    assert [line for line in result.stderr.splitlines() if "PostgreSQL" in line] == [told]
    assert told not in result.stdout


def test_misspelt_variable_causes_a_warning_with_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise nobody would notice that it has no effect."""
    assert run("config", DB_PASS="x", KAFKA_HOME="/opt/kafka").exit_code == 0
    (line,) = [vars(record) for record in caplog.records]
    assert (line["msg"], line["variable"], line["did_you_mean"]) == (
        *("unknown environment variable", "DB_PASS"),
        "DB_PASSWORD",
    )


@pytest.mark.parametrize("command", ["config", "dev"])
def test_old_names_of_settings_cause_one_warning(caplog: pytest.LogCaptureFixture, command: str) -> None:
    """The line names the new ones."""
    both = {"STORM_SHARE": "0.2", "STORM_RECORDS": "5"}
    result = run(command, **both, PORT="4000", CONSUMER_PORT="4000")
    assert command == "dev" or "DLQ_MAX_RATIO=0.2" in result.stdout
    (line,) = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    assert line["names"] == "STORM_SHARE is now DLQ_MAX_RATIO, STORM_RECORDS is now DLQ_RATIO_MIN_RECORDS"


def test_topics_does_nothing_for_the_embedded_log() -> None:
    """It connects to no broker; a script still gets its JSON."""
    result = run("topics", "--json", **NOWHERE, EVENT_LOG="postgres")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert "nothing to do" in result.stderr


@pytest.mark.parametrize("command", ["migrate", "api"])
def test_unusable_certificate_is_reported_in_one_line(command: str) -> None:
    """Exit code 2; the line names the variable to correct."""
    result = run(command, **NOWHERE, DB_SSLMODE="verify-ca", DB_SSLROOTCERT=__file__)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("as the environment says")]
    assert line.startswith(f"DB_SSLROOTCERT={__file__} cannot be used")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("config", "--nonsense"),
        ("api", "surplus"),
        ("audit", "--from", "yesterday"),
        ("audit", "--to", "2026-11-22T12:00:00"),
        ("audit", "--from", "2026-11-22T12:00:00Z", "--to", "2026-11-22T12:59:59+01:00"),
    ],
    ids=" ".join,
)
def test_wrong_call_prints_the_usage(arguments: tuple[str, ...]) -> None:
    """Exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


def test_version_is_printed_with_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting is read."""
    monkeypatch.setattr(main, "commit", lambda: "0123abcd")
    result = run("--version", PORT="x")
    assert result.exit_code == 0
    assert result.stdout == f"user-events {release()} (commit 0123abcd)\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completes_commands(shell: str) -> None:
    """The script that `--install-completion` leaves in the shell calls the program in this way."""
    asked = {"COMP_WORDS": "user-events re", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "user-events re"}
    fish = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environment = {"_USER_EVENTS_COMPLETE": f"complete_{shell}", **asked, **fish}
    result = CliRunner().invoke(main.cli, [], env=environment, prog_name="user-events")
    assert "resume" in result.stdout
    assert "config" not in result.stdout


def test_help_names_every_command() -> None:
    """It hides the option that only a parent process uses."""
    result = run("--help")
    assert result.exit_code == 0
    for command in ("api", "consumer", "dev", "migrate", "topics", "resume", "audit", "audit-log", "dlq", "config"):
        assert command in result.stdout
    assert "until-eof" not in run("api", "--help").stdout


SERVER_LIBRARIES = {"aiokafka", "alembic", "asyncpg", "dependency_injector", "litestar", "sqlalchemy", "uvicorn"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["dlq", "replay", "--help"], ["--version"], ["config"]], ids=" ".join
)
def test_light_commands_import_no_server_library(tmp_path: Path, arguments: list[str]) -> None:
    """So that they answer at once."""
    program = (
        "import sys; from entrypoints.cli.main import cli; "
        "cli(sys.argv[1:], standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env={})
    modules = {module.partition(".")[0] for module in ended.stderr.splitlines()[-1].split()}
    assert "entrypoints" in modules
    assert modules & SERVER_LIBRARIES == set()
