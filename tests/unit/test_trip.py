"""How many functions one event passes, from its `POST` to the response to its `GET`."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MOST_FUNCTIONS: Final = 147
"""Lower it whenever the trip becomes shorter; `python -m tools.trip` lists the functions."""


def test_trip_passes_no_more_functions_than_before() -> None:
    """A newcomer reads them all to follow one event."""
    command = [sys.executable, "-m", "tools.trip", "--count"]
    counted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(counted.stdout) <= MOST_FUNCTIONS
