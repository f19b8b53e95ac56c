"""`user-events resume`: it lists the halted partitions, asks, and resumes them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from unittest.mock import patch

import pytest
import typer
from typer.testing import CliRunner

from adapters.memory import MemoryAuditLog, MemoryLog, MemoryLogReader, MemoryPartitionStates
from adapters.memory.dead_letters.letters import MemoryLetters
from application.halted_partitions import HaltedPartitions
from application.ports import Halt, HaltKind
from domain.errors import Unavailable
from entrypoints.cli import resume
from entrypoints.cli.resume import list_and_resume
from entrypoints.config.settings import Settings
from tests.support.events import NOON
from tests.unit.cli.runner import run

DLQ_LIMIT, GAP = Halt(HaltKind.DLQ_LIMIT, 7, "100 dead letters in a row"), Halt(HaltKind.GAP, 3, "2 records expired")


class _Halted:
    """Partitions 0 and 2 are halted since noon, with three records behind the first; the log has no partition 2."""

    def __init__(self) -> None:
        self.states = MemoryPartitionStates("events", "group", clock=lambda: NOON)
        for partition, halt in {0: DLQ_LIMIT, 2: GAP}.items():
            asyncio.run(self.states.halt(partition, halt))
        log = MemoryLog(partitions=1, clock=lambda: NOON)
        for _ in range(10):
            log.append("events", None, b"", partition=0)
        self.reader = MemoryLogReader(log, "events")
        self.tables = MemoryLetters()
        self.audit_log = MemoryAuditLog(self.tables)
        self.partitions = HaltedPartitions(self.states, self.reader, self.audit_log, "events", "group")

    def left(self) -> set[int]:
        return set(asyncio.run(self.states.halts()))

    @asynccontextmanager
    async def open(self, _settings: Settings, _choose: object) -> AsyncIterator[HaltedPartitions]:
        yield self.partitions


@pytest.fixture
def halted(monkeypatch: pytest.MonkeyPatch) -> _Halted:
    """Partitions in memory instead of those in the database."""
    halted = _Halted()
    monkeypatch.setattr(resume, "assembled", halted.open)
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
        with suppress(typer.Abort), patch.object(sys.stdin, "isatty", return_value=True):
            work = list_and_resume(halted.partitions, None, reason="", yes=False, dry_run=False, as_json=True)
            asyncio.run(work)
        assert [each["partition"] for each in json.loads(stdout.getvalue().splitlines()[0])] == [0, 2]
        assert b"Resume these partitions?" in stderr.getvalue()
    assert halted.left() == left


def test_resume_writes_to_the_audit_log(halted: _Halted) -> None:
    """Who, which partitions, and why; a refused one is not there."""
    run("resume", "--partition", "0")
    assert run("resume", "--partition", "0", "--yes", "--reason", "mended").exit_code == 0
    (entry,) = halted.tables.audit_log
    assert entry.who.startswith("cli:")
    assert (entry.action, entry.reason, entry.counts) == ("resume", "mended", {"partitions": 1})
    assert entry.wanted == {"topic": "events", "group": "group", "partitions": [0]}


def test_resume_needs_the_audit_log(halted: _Halted) -> None:
    """Nothing is resumed that it does not know of."""
    halted.audit_log.outage = Unavailable("database: no answer")
    assert run("resume", "--yes").exit_code == 1
    assert halted.left() == {0, 2}
