"""What `make` says while it installs, with a Python that installs nothing."""

import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_STAND_IN: Final = """#!/bin/sh
echo "step: $*" >&2
case "$*" in *venv*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;; esac
"""


def test_each_slow_step_of_make_run_is_announced(tmp_path: Path) -> None:
    """Pip is silent for a minute, in which a newcomer would wonder."""
    python = tmp_path / "python"
    python.write_text(_STAND_IN)
    python.chmod(0o755)
    command = ["make", "--no-print-directory", "setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    told = [line.split()[0] for line in made.stderr.splitlines() if "step: -c" not in line]
    assert told == ["Making", "step:", "Installing", "step:", "Installing", "step:"]
    assert made.stdout == ""
