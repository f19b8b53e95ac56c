"""Just enough of a Dockerfile's language to run a stage of ours without Docker."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
_CONTINUED: Final = re.compile(r"\\\n\s*")


class Instruction(NamedTuple):
    """One instruction, such as RUN and what is run."""

    name: str
    text: str


def stage(name: str, dockerfile: Path) -> Iterator[Instruction]:
    """The instructions of the stage with this name, without its FROM."""
    lines = _CONTINUED.sub("", re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)).splitlines()
    current = ""
    for line in filter(None, lines):
        instruction = Instruction(*line.split(maxsplit=1))
        if instruction.name == "FROM":
            current = instruction.text.rpartition(" AS ")[2]
        elif current == name:
            yield instruction


def run_stage(name: str, dockerfile: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Do in `folder` what the stage does in its WORKDIR; `environment` goes before what ENV says.

    Raises `CalledProcessError` when a RUN fails.
    """
    variables: dict[str, str] = {}
    for instruction, text in stage(name, dockerfile):
        match instruction:
            case "ENV":
                variables |= dict(word.split("=", 1) for word in shlex.split(text))
            case "WORKDIR":
                folder.mkdir()
            case "COPY":
                *sources, target = text.split()
                for source in sources:
                    _copy(ROOT / source, folder / target)
            case "RUN":
                subprocess.run(["/bin/sh", "-c", text], cwd=folder, env={**variables, **environment}, check=True)
            case _:
                raise NotImplementedError(f"{instruction} {text}")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
