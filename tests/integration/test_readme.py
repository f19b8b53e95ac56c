"""The README's tour does what it says."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.kafka import probe

ROOT = Path(__file__).parents[2]
_END_SECONDS = 90


def tour() -> list[str]:
    """The commands of the README's tour, each with its continuation lines."""
    section = (ROOT / "README.md").read_text().split("## Tour")[1].split("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = re.sub(r"\\\n", " ", block)
    return re.findall(r"^curl .*(?:\n  .*)*", lines, re.MULTILINE)


@pytest.fixture(scope="module")
def ports() -> dict[int, int]:
    """Free ports in the place of the README's."""
    return dict(zip((3000, 3001), probe.free_ports(2), strict=True))


@pytest.fixture(scope="module")
def running(ports: dict[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Everything on this machine, as `make run` starts it."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "DB_"))}
    folder = tmp_path_factory.mktemp("embedded")
    environment = bare | {
        "PORT": str(ports[3000]),
        "CONSUMER_PORT": str(ports[3001]),
        "DATA_DIR": str(folder / "data"),
    }
    process = subprocess.Popen([sys.executable, "-m", "entrypoints", "dev"], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if b"ready: http" in line:
                break
        else:
            pytest.fail(f"ended with exit code {process.wait()} before it was ready")
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(_END_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.usefixtures("running")
def test_every_command_of_the_tour_succeeds(ports: dict[int, int]) -> None:
    """Each command ends well and answers with what the README says of it."""
    answers = [_run(command, ports) for command in tour()]

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
