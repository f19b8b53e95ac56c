"""docs/guarantees.md names scenarios that exist, and leaves out none."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"\b\d\d\b")


def scenarios() -> set[str]:
    """The numbers of the scenarios in the fault suite."""
    files = (ROOT / "tests" / "faults").glob("test_*.py")
    return {number for file in files for number in re.findall(r"def test_(\d\d)_", file.read_text())}


def test_every_scenario_is_named_and_every_name_is_a_scenarios() -> None:
    """What proves a promise can be run."""
    rows = [line for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines() if line.startswith("| ")]
    named = {number for row in rows for number in _NAMED.findall(row.rpartition(" | ")[2])}
    # The scenario of what is not promised is in a paragraph of its own.
    assert named | {"14"} == scenarios()


def test_every_mutant_names_a_scenario_and_still_applies() -> None:
    """A mistake whose scenario or place is gone would prove nothing."""
    patches = list((ROOT / "tests" / "faults" / "mutants").glob("*.patch"))
    assert patches
    applied = subprocess.run(
        ["git", "apply", "--check", *patches], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, applied.stderr
    for patch in patches:
        (number,) = re.findall(r"^Scenario: test_(\d\d)_$", patch.read_text(), re.MULTILINE)
        assert number in scenarios(), patch.name
