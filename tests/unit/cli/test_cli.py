"""The command `user-events`: data on stdout, complaints on stderr, and an exit code that tells them apart."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from adapters.memory import MemoryLog, MemoryLogReader, MemoryPartitionStates
from application.consume.halt import Halt, HaltKind
from application.halted_partitions import HaltedPartitions
from domain.errors import Unavailable
from entrypoints.cli import deployment, main, resume
from entrypoints.cli import run as cli_run
from entrypoints.cli.resume import list_and_resume
from entrypoints.config.environment import load_settings
from entrypoints.config.program import release
from entrypoints.config.settings import Settings
from tests.support.events import NOON

# Nobody listens there.
NOWHERE = {"KAFKA_BROKER": "127.0.0.1:1", "DB_HOST": "127.0.0.1", "DB_PORT": "1"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take our own variables out of the environment, leave the tests' logging as it is, and do not wait for servers."""
    # There may be an instance in the folder that the tests are started in.
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(cli_run, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(deployment, "_PATIENCE_SECONDS", 0.05)


def run(*arguments: str, **environ: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main.cli, arguments, env=environ)


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


@pytest.mark.parametrize("command", ["config", "api", "consumer", "dev", "migrate", "topics", "resume", "audit"])
def test_wrong_settings_are_all_reported_before_the_start(command: str) -> None:
    """Exit code 2."""
    result = run(command, PORT="x", KAFKA_BROKER="kafka", DB_SSLMODE="prefer")
    assert result.exit_code == 2
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["DB_SSLMODE", "KAFKA_BROKER", "PORT"]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("migrate", "database: ConnectionRefusedError"),
        ("resume", "database: ConnectionRefusedError"),
        ("topics", "kafka: KafkaConnectionError"),
        ("audit", "kafka: KafkaConnectionError"),
    ],
)
def test_unavailable_dependency_is_reported_in_one_line(
    caplog: pytest.LogCaptureFixture, command: str, reason: str
) -> None:
    """Exit code 1 without a traceback, since the program is not at fault."""
    result = run(command, **NOWHERE)
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


@pytest.mark.parametrize("command", ["config", "resume", "audit", "topics", "migrate"])
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


STORM, GAP = Halt(HaltKind.DLQ_LIMIT, 7, "100 dead letters in a row"), Halt(HaltKind.GAP, 3, "2 records expired")


class _Halted:
    """Partitions 0 and 2 are halted since noon, with three records behind the first; the log has no partition 2."""

    def __init__(self) -> None:
        self.states = MemoryPartitionStates("events", "group", clock=lambda: NOON)
        for partition, halt in {0: STORM, 2: GAP}.items():
            asyncio.run(self.states.halt(partition, halt))
        log = MemoryLog(partitions=1, clock=lambda: NOON)
        for _ in range(10):
            log.append("events", None, b"", partition=0)
        self.reader = MemoryLogReader(log, "events")
        self.partitions = HaltedPartitions(self.states, self.reader, "events", "group")

    def left(self) -> set[int]:
        return set(asyncio.run(self.states.halts()))

    @asynccontextmanager
    async def open(self, _settings: Settings) -> AsyncIterator[HaltedPartitions]:
        yield self.partitions


@pytest.fixture
def halted(monkeypatch: pytest.MonkeyPatch) -> _Halted:
    """What the command finds in the place of the database and the log."""
    halted = _Halted()
    monkeypatch.setattr(resume, "assembled_halted_partitions", halted.open)
    return halted


LISTED = [
    "topic events, group group",
    "partition 0: halted at offset 7 since 2026-11-22T12:00:00.000Z, 3 records wait: storm: 100 dead letters in a row",
    "partition 2: halted at offset 3 since 2026-11-22T12:00:00.000Z, ? records wait: gap: 2 records expired",
]


def test_resume_without_terminal_and_yes_changes_nothing(halted: _Halted) -> None:
    """A pipe or a job gives no consent: exit code 2, after the list of halted partitions."""
    result = run("resume")
    assert (result.exit_code, halted.left()) == (2, {0, 2})
    assert result.stdout.splitlines() == LISTED
    assert result.stderr.splitlines()[1:] == [
        "nothing was resumed: there is no terminal to ask on; --yes resumes without asking"
    ]


def test_resume_lists_halted_partitions_and_resumes_them(halted: _Halted) -> None:
    """A second call finds none, which is a success and needs no consent."""
    result = run("resume", "--yes")
    assert (result.exit_code, halted.left()) == (0, set())
    assert result.stdout.splitlines() == LISTED
    assert "resumed: 2" in result.stderr
    again = run("resume", "--json")
    assert (again.exit_code, json.loads(again.stdout)) == (0, [])
    assert again.stderr.splitlines()[1:] == ["nothing is halted: topic events, group group"]


def test_resume_is_limited_to_the_given_partitions(halted: _Halted) -> None:
    """The other partition stays halted."""
    result = run("resume", "--yes", "--partition", "0", "--json")
    assert (result.exit_code, halted.left()) == (0, {2})
    place = {"topic": "events", "group": "group", "partition": 0}
    stop = {"kind": "storm", "offset": 7, "reason": "100 dead letters in a row"}
    assert json.loads(result.stdout) == [{**place, **stop, "since": "2026-11-22T12:00:00.000Z", "waiting": 3}]


def test_resume_works_while_the_backlog_is_unknown(halted: _Halted, caplog: pytest.LogCaptureFixture) -> None:
    """A warning names the cause."""
    halted.reader.outage = Unavailable("kafka: no answer")
    result = run("resume", "--yes", "--json")
    assert (result.exit_code, halted.left()) == (0, set())
    assert [each["waiting"] for each in json.loads(result.stdout)] == [None, None]
    assert [vars(record)["cause"] for record in caplog.records] == ["kafka: no answer"]


def test_resume_of_a_partition_not_halted_is_refused(halted: _Halted) -> None:
    """No other partition is resumed either."""
    result = run("resume", "--partition", "1", "--partition", "0", "--yes")
    assert (result.exit_code, halted.left()) == (2, {0, 2})
    assert (result.stdout, result.stderr.splitlines()[1:]) == (
        "",
        ["not halted: partition 1 of topic events, group group"],
    )


def test_dry_run_of_resume_only_lists(halted: _Halted) -> None:
    """Exit code 0."""
    result = run("resume", "--dry-run", "--yes", "--partition", "0")
    assert (result.exit_code, halted.left()) == (0, {0, 2})
    assert result.stdout.splitlines() == LISTED[:2]
    assert "dry run" in result.stderr


@pytest.mark.parametrize(("answer", "left"), [("y\n", set()), ("n\n", {0, 2}), ("", {0, 2})])
def test_resume_asks_on_a_terminal(halted: _Halted, answer: str, left: set[int]) -> None:
    """The question goes to stderr; any answer but yes changes nothing."""
    with CliRunner().isolation(input=answer) as (stdout, stderr, _):
        with suppress(typer.Abort):
            asyncio.run(list_and_resume(halted.partitions, None, yes=False, dry_run=False, can_ask=True, as_json=True))
        assert [each["partition"] for each in json.loads(stdout.getvalue().splitlines()[0])] == [0, 2]
        assert b"Resume these partitions?" in stderr.getvalue()
    assert halted.left() == left


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
    for command in ("api", "consumer", "dev", "migrate", "topics", "resume", "audit", "config"):
        assert command in result.stdout
    assert "until-eof" not in run("api", "--help").stdout


SERVER_LIBRARIES = {"aiokafka", "alembic", "asyncpg", "dependency_injector", "litestar", "sqlalchemy", "uvicorn"}


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "--help"], ["--version"], ["config"]], ids=" ".join)
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
