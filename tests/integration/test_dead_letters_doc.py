"""The commands of docs/dead-letters.md print what it shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.test_readme import commands
from tests.support import embedded
from tests.support.practice import Practice
from tools.kafka import probe

PAGE = Path(__file__).parents[2] / "docs" / "dead-letters.md"
_BLOCK = re.compile(r"^```(console|sql|sh|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_JOB = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_VARIES = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z|\b\d+[smhd]\b|cli:\S+|[0-9.,]+ a second|" + _JOB.pattern
)
_CUT_CHARS = 60
"""So much of a line that is cut at the terminal's width is the same in all terminals."""


class Step(NamedTuple):
    """What the page has a person do: a command with its output, statements, or commands whose output is not shown."""

    language: str
    text: str


def steps() -> list[Step]:
    """Read the page's blocks, in order."""
    return [Step(*block) for block in _BLOCK.findall(PAGE.read_text())]


def comparable(output: str) -> list[str]:
    """Return an output's words in alphabetical order, without what differs between runs: times, ids of jobs, widths."""
    lines = (" ".join(_VARIES.sub("~", line).split()) for line in output.splitlines())
    return sorted(word for line in lines for word in (line[:_CUT_CHARS] if line.endswith("…") else line).split())


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    """The instance that the page works on."""
    api, consumer = probe.free_ports(2)
    with embedded.running(tmp_path, (api, consumer), {}) as data:
        yield Practice(tmp_path, api, data)


def test_page_shows_what_its_commands_print(practice: Practice) -> None:
    """From the first look to the last replay; a job that halts is an exit code 1."""
    practice.fill()
    (practice.folder / "tablet.json").write_text(example("json"))
    jobs: dict[str, str] = {}
    for step in steps():
        match step.language:
            case "console":
                check_output(practice, step.text, jobs)
            case "sql":
                practice.execute(step.text)
            case "sh":
                for command in commands(step.text):
                    answered = practice.run(command)
                    assert answered.returncode == 0, (command, answered)


def check_output(practice: Practice, block: str, jobs: dict[str, str]) -> None:
    """Run the command of a block and compare what it prints; `jobs` are those of this run, by the page's ids."""
    typed, _, shown = block.partition("\n")
    command = _JOB.sub(lambda job: jobs[job[0]], typed.removeprefix("$ "))
    done = practice.run(command)
    assert comparable(done.stdout) == comparable(shown), (command, done.stderr)
    assert done.returncode == (", halted" in shown), (command, done.stderr)
    jobs.update(zip(_JOB.findall(shown), _JOB.findall(done.stdout), strict=True))


def example(language: str) -> str:
    """Return the page's only block in a language."""
    [block] = [step.text for step in steps() if step.language == language]
    return block
