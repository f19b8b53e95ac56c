"""The README's tour does what it says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import embedded
from tools.kafka import probe

ROOT = Path(__file__).parents[2]


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of code in a section of the README."""
    section = (ROOT / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def commands(block: str) -> list[str]:
    """The commands of a block, each with its continuation lines."""
    return re.findall(r"^curl .*(?:\n  .*)*", re.sub(r"\\\n", " ", block), re.MULTILINE)


@pytest.fixture(scope="module")
def ports() -> dict[int, int]:
    """Free ports in the place of the README's."""
    return dict(zip((3000, 3001), probe.free_ports(2), strict=True))


@pytest.fixture(scope="module")
def running(ports: dict[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything on this machine, as `make run` starts it with an event type of one's own; its data folder."""
    folder = tmp_path_factory.mktemp("embedded")
    own, start = _own_type(folder)
    assert start == "make run"
    with embedded.running(folder, (ports[3000], ports[3001]), own) as data:
        yield data


@pytest.mark.usefixtures("running")
def test_every_command_of_the_tour_succeeds(ports: dict[int, int]) -> None:
    """Each command ends well and answers with what the README says of it."""
    [block] = blocks("Tour", "sh")
    answers = [_run(command, ports) for command in commands(block)]

    assert len(answers) == 13
    assert "201 Created" in answers[0]
    assert "Event published successfully" in answers[0]
    assert answers[3] == answers[4]
    assert "0198c0de-0000-7000-8000-000000000001" in answers[4]
    assert [result["status"] for result in json.loads(answers[5])["results"]] == ["published", "rejected"]
    assert [result["status"] for result in json.loads(answers[6])["results"]] == ["published"] * 3
    assert all(field in answers[7] for field in ("422", "userId", "eventType", "payload"))
    assert answers[10] == '{"status":"UP"}'
    assert all('"status":"UP"' in answer for answer in answers[11:])
    # Published first, listed by the time that the rest of the tour was over.
    assert "user123" in _until_listed(ports)


@pytest.mark.usefixtures("running")
def test_event_of_own_type_is_held_to_its_schema(ports: dict[int, int]) -> None:
    """The good one is published; the answer to the bad one is the README's."""
    _three_lines, block = blocks("Your own event types", "sh")
    [shown] = blocks("Your own event types", "json")

    good, bad, types, schema = (_run(command, ports) for command in commands(block))

    assert "201 Created" in good
    assert "422 Unprocessable" in bad
    problem = json.loads(bad.partition("\n\n")[2])
    assert {key: problem[key] for key in json.loads(shown)} == json.loads(shown)
    assert {"type": "ORDER", "schemaUrl": "/event-types/ORDER", "onViolation": "reject"} in json.loads(types)["types"]
    assert json.loads(schema)["required"] == ["sku"]


def test_commands_know_the_types_of_the_instance(running: Path, ports: dict[int, int], tmp_path: Path) -> None:
    """In another folder, too; its log is tested against schemas that are not switched on."""
    (tmp_path / "strict").mkdir()
    (tmp_path / "strict" / "ORDER.json").write_text('{"required": ["name"]}')
    environment = os.environ | {"DATA_DIR": str(running)}

    def types(*arguments: str) -> str:
        command = [sys.executable, "-m", "entrypoints", "types", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == (arguments[0] == "test"), done.stderr
        return done.stdout

    assert "ORDER: payloads by schema" in types("list")
    order = {"userId": "user123", "eventType": "ORDER", "payload": {"sku": "sku-1"}}
    _run(f"curl localhost:3000/events/generate -H 'content-type: application/json' -d '{json.dumps(order)}'", ports)
    tested = types("test", "--schemas", "strict", "--from", "2026-01-01T00:00Z")
    assert 'ORDER: payload must have the member "name" (required)' in tested


def _own_type(folder: Path) -> tuple[dict[str, str], str]:
    """Run the first two of the README's three lines; return the variables and the command of the third one."""
    three_lines = blocks("Your own event types", "sh")[0]
    first, second, third = three_lines.strip().splitlines()
    (folder / "schemas").mkdir()
    command = second.replace(".venv/bin/user-events", f"{sys.executable} -m entrypoints")
    subprocess.run(["bash", "-ec", f"{first}\n{command}"], cwd=folder, check=True)
    variable, _, start = third.partition(" ")
    name, _, value = variable.partition("=")
    return {name: value}, start


def _run(command: str, ports: dict[int, int]) -> str:
    for named, actual in ports.items():
        command = command.replace(f"localhost:{named}", f"127.0.0.1:{actual}")
    return subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -sS ", 1)], capture_output=True, text=True, check=True
    ).stdout


def _until_listed(ports: dict[int, int]) -> str:
    while True:
        answer = _run("curl localhost:3000/events/processed", ports)
        if answer != "[]":
            return answer
