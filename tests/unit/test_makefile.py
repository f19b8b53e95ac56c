"""What `make` runs and says, with a Python that does nothing."""

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_IMAGE_PYTHON: Final = ".".join((ROOT / "Dockerfile").read_text().removeprefix("FROM python:").split(".")[:2])
_STAND_IN: Final = """#!/bin/sh
echo "step: $*" >&2
case "$*" in *venv*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;; esac
"""


def test_each_slow_step_of_make_run_is_announced(tmp_path: Path) -> None:
    """Pip is silent for a minute, in which a newcomer would wonder."""
    python = _stand_in(tmp_path / "python", _STAND_IN)
    made = _make("setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    steps = [line.split()[0] for line in made.stderr.splitlines() if "step: -c" not in line]
    assert steps == ["Making", "step:", "Installing", "step:", "Installing", "step:"]
    assert made.stdout == ""


def test_bench_uses_the_python_of_the_image(tmp_path: Path) -> None:
    _stand_in(tmp_path / f"python{_IMAGE_PYTHON}", f"#!/bin/sh\necho {tmp_path}/python {_IMAGE_PYTHON}\n")
    assert _benchmarks_command(tmp_path).stdout.endswith(f".cache/python{_IMAGE_PYTHON}/bin/python -m benchmarks \n")


def test_bench_names_a_python_that_does_not_run(tmp_path: Path) -> None:
    """A version manager has a command for each version on the PATH, which fails where another one is in use."""
    _stand_in(tmp_path / f"python{_IMAGE_PYTHON}", "#!/bin/sh\nexit 127\n")
    planned = _benchmarks_command(tmp_path)
    assert planned.stdout.endswith(".venv/bin/python -m benchmarks \n")
    assert planned.stderr == f"There is no python{_IMAGE_PYTHON} here: measuring with that of .venv\n"


def _benchmarks_command(first_on_path: Path) -> subprocess.CompletedProcess[str]:
    """Have `make bench` print what it would run."""
    return _make("--dry-run", "bench", PATH=f"{first_on_path}:{os.environ['PATH']}")


def _stand_in(path: Path, script: str) -> Path:
    path.write_text(script)
    path.chmod(0o755)
    return path


def _make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=True)
