"""`user-events types`: what it prints, and its exit codes."""

import json
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.records.log_record import LogRecord
from application.ports import Span, Stretch
from domain.dead_letter import Record
from domain.event_types import LEGACY_TYPES
from entrypoints.cli.types import record_values
from entrypoints.cli.types_trial import Trial
from tests.support.schema_folders import write
from tests.unit.cli.runner import run

ORDER = {"type": "object", "required": ["sku"], "properties": {"items": {"items": {"type": "integer"}}}}
EVENTS = [
    {"eventType": "order", "userId": "u", "payload": {"sku": "a", "items": [1, "x", "y"]}},
    {"eventType": "order", "payload": None},
    {"eventType": "LOGIN"},
    {"eventType": "NONE"},
    {"eventType": "LOGIN", "payload": [1]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with one schema."""
    return write(tmp_path / "schemas", {"order.json": ORDER})


def test_list_names_types_and_schemas(folder: Path) -> None:
    """A type that has a schema need not be listed again."""
    result = run("types", "list", EVENT_TYPES="LOGIN", EVENT_SCHEMAS=str(folder))
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == "LOGIN: any payload"
    assert second.startswith("order: payloads by schema, violations are rejected; a payload has at most ")
    found = json.loads(run("types", "list", "--json", "--types", "*", "--schemas", str(folder)).stdout)
    assert found["acceptsAny"] is True
    assert [(row["type"], row["schema"], row["onViolation"]) for row in found["types"]] == [("order", True, "reject")]
    assert run("types", "list").stdout.splitlines() == [
        f"{name}: any payload" for name in ("LOGIN", "LOGOUT", "PRODUCT_VIEW")
    ]


def test_wrong_types_are_refused() -> None:
    """Exit code 2; the message says what to mend."""
    result = run("types", "list", "--types", "a b")
    assert result.exit_code == 2
    assert "must be * or a comma list of types" in " ".join(result.stderr.replace("│", " ").split())


def test_check_warns_of_patterns_that_leave_few_bytes(tmp_path: Path) -> None:
    """On stderr; the folder has no mistake."""
    write(tmp_path, {"T.json": {"properties": {"a": {"pattern": "^.{0,100}@.{1,100}$"}}}, "U.json": {"type": "object"}})
    result = run("types", "check", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    (warning, _) = result.stderr.splitlines()
    assert warning.startswith("warning: T: payloads by schema")
    assert " or 1,959 bytes, since its patterns" in warning


def test_check_prints_all_mistakes(folder: Path) -> None:
    """On stdout, exit code 1; a right folder prints nothing there."""
    result = run("types", "check", str(folder))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{folder}: 1 schema, no mistakes\n")
    write(folder, {"a.json": {"type": "x"}, "b.json": "{"})
    result = run("types", "check", EVENT_SCHEMAS=str(folder))
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["a.json#/type", "b.json"]
    found = json.loads(run("types", "check", "--json", str(folder)).stdout)
    assert [(problem["file"], problem["pointer"]) for problem in found] == [("a.json", "/type"), ("b.json", "")]
    assert run("types", "check").exit_code == 2
    assert run("types", "check", str(folder / "nowhere")).exit_code == 2


def test_trial_counts_events_by_violation(tmp_path: Path, folder: Path) -> None:
    """An event counts once for each kind of violation, whatever the index."""
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, EVENTS)) + "\n\nnot json\n")
    result = run("types", "test", str(file), "--schemas", str(folder), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["events"], found["withViolations"]) == (6, 5)
    kinds = [tuple(each[key] for key in ("type", "field", "pointer", "keyword")) for each in found["violations"]]
    assert sorted(kinds) == [
        ("", "body", "", ""),
        ("", "eventType", "", ""),
        ("LOGIN", "payload", "", ""),
        ("order", "payload", "", "required"),
        ("order", "payload", "/items/*", "type"),
    ]
    assert [each["events"] for each in found["violations"]] == [1] * 5
    lines = run("types", "test", str(file), "--schemas", str(folder)).stdout.splitlines()
    assert "        1  order: payload/items/* must be an integer (type)" in lines
    assert lines[-1] == "        6  events, 5 of them with violations"


def test_trial_without_findings_exits_with_0(tmp_path: Path, folder: Path) -> None:
    """A file without events has none."""
    file = tmp_path / "events.ndjson"
    file.write_text('{"eventType":"order","payload":{"sku":"a"}}\n')
    assert run("types", "test", str(file), "--schemas", str(folder)).exit_code == 0
    file.write_text("")
    assert json.loads(run("types", "test", str(file), "--json").stdout)["events"] == 0


def test_trial_reads_a_file_as_the_api_does(tmp_path: Path) -> None:
    """With a byte order mark, and with what PHP writes for an empty object; a flaw is told of its field."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(b'\xef\xbb\xbf{"eventType":"LOGIN","payload":[ ]}\r\n\r\n{"eventType":"LOGIN","userId":null}\n')
    result = run("types", "test", str(file))
    assert (result.exit_code, result.stdout) == (0, "        2  events, 0 of them with violations\n")
    file.write_bytes(b'{"eventType":"LOGIN","userId":"\\ud800"}\n\xef\xbb\xbf{"eventType":"LOGIN"}\n[]\n')
    found = json.loads(run("types", "test", str(file), "--json").stdout)
    assert sorted((each["field"], each["expected"], each["events"]) for each in found["violations"]) == [
        ("body", "must be a JSON object", 2),
        ("userId", "must not hold a lone surrogate, such as half of an emoji", 1),
    ]


def test_trial_of_records_is_as_strict_as_the_consumer() -> None:
    """Of them, an array is no payload."""
    trial = Trial(LEGACY_TYPES, {})
    for payload in (b"[]", b"null", b"{}"):
        trial.add_record(b'{"eventType":"LOGIN","payload":' + payload + b"}")
    trial.add_record(b"")
    counts = trial.as_json()
    assert (counts["events"], counts["withViolations"]) == (4, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--to", "2026-11-30T12:00Z"],
        ["x.ndjson", "--from", "2026-11-30T12:00Z"],
        ["--from", "2026-11-30T12:00Z", "--to", "2026-11-30T11:00Z"],
        ["nowhere.ndjson"],
        ["nowhere.ndjson", "--schemas", "nowhere"],
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    """Before any server is asked."""
    result = run("types", "test", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_diff_prints_what_is_no_longer_accepted(tmp_path: Path, folder: Path) -> None:
    """Exit code 1 on a finding, 0 without one, 2 where a folder cannot be used."""
    new = write(tmp_path / "new", {"order.json": {**ORDER, "required": ["sku", "at"]}})
    result = run("types", "diff", str(folder), str(new))
    assert result.exit_code == 1
    assert result.stdout == 'order.json#/required: required was ["sku"], is ["sku", "at"]\n'
    (found,) = json.loads(run("types", "diff", "--json", str(folder), str(new)).stdout)
    assert (found["pointer"], found["certainty"]) == ("/required", "is")
    assert (run("types", "diff", str(new), str(folder)).exit_code, result.stderr) == (0, "")
    assert run("types", "diff", str(folder), str(tmp_path / "nowhere")).exit_code == 2


class Reader:
    """A log of two partitions."""

    async def spans(self) -> Mapping[int, Span]:
        return {0: Span(5, 8), 1: Span(0, 0)}

    async def offsets_at(self, moment: datetime) -> Mapping[int, int]:
        return {0: moment.hour, 1: 0}

    async def committed(self, group: str) -> Mapping[int, int]:
        return {}

    async def read(self, partition: int, start: int, end: int) -> AsyncGenerator[Stretch, None]:
        found: list[Record] = [LogRecord("t", 0, offset, 0, None, b"%d" % offset, ()) for offset in range(start, end)]
        yield Stretch(0, found, end)


async def test_range_of_the_log_is_read() -> None:
    """From its start, as far as retention left it, up to its end."""
    hours = [datetime(2026, 11, 30, hour, tzinfo=UTC) for hour in (1, 6, 7)]
    assert [each async for each in record_values(Reader(), hours[0], None)] == [b"5", b"6", b"7"]
    assert [each async for each in record_values(Reader(), hours[1], hours[2])] == [b"6"]
