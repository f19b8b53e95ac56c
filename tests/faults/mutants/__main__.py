"""Apply each mistake to a copy of the code and run its scenario, which must fail as the mistake foretells.

A mistake is a patch whose first lines say `Scenario:`, the start of a test's name, and `Expect:`, a regular expression
for what the failure says. A patch that no longer applies fails the run, as does a mistake that goes unnoticed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_COPIED = ("src", "tests", "tools", "pyproject.toml")
_JARS = _ROOT / ".cache" / "kafka"
_OPTIONS = ("tests/faults", "-p", "no:randomly", "-p", "no:cacheprovider", "--show-capture=no", "--events=3000")
_LIMIT_SECONDS = 400
_TEST_FAILED = 1
_SHOWN_CHARS = 3_000


@dataclass(frozen=True)
class Mutant:
    """One mistake."""

    patch: Path
    scenario: str
    expect: str

    @classmethod
    def read(cls, patch: Path) -> "Mutant":
        """Read a patch and what its first lines say."""
        said = dict(re.findall(r"^(Scenario|Expect): (.+)$", patch.read_text(), re.MULTILINE))
        return cls(patch, said["Scenario"], said["Expect"])

    def trouble(self, folder: Path) -> str | None:
        """Run the scenario on a copy with this mistake; return why it was not caught, None if it was."""
        _copy(folder)
        applied = subprocess.run(
            ["git", "apply", str(self.patch)], cwd=folder, capture_output=True, text=True, check=False
        )
        if applied.returncode != 0:
            return f"the patch no longer applies: {applied.stderr}"
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, "-k", self.scenario],
            cwd=folder,
            env=os.environ | {"KAFKA_CACHE_DIR": str(_JARS), "PYTHONPATH": str(folder / "src")},
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
        if ran.returncode != _TEST_FAILED:
            return f"it survived: pytest ended with {ran.returncode}\n{ran.stdout[-_SHOWN_CHARS:]}"
        if not re.search(self.expect, ran.stdout):
            return f"the scenario failed, but not with {self.expect!r}\n{ran.stdout[-_SHOWN_CHARS:]}"
        return None


def main() -> int:
    """Run the mistakes whose names contain one of the arguments, or all; return the exit code."""
    patches = sorted(Path(__file__).parent.glob("*.patch"))
    wanted = [patch for patch in patches if not sys.argv[1:] or any(word in patch.stem for word in sys.argv[1:])]
    survivors = 0
    for mutant in map(Mutant.read, wanted):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="user-events-mutant-") as folder:
            trouble = mutant.trouble(Path(folder).resolve())
        survivors += trouble is not None
        verdict = "caught" if trouble is None else f"NOT CAUGHT: {trouble}"
        seconds = time.monotonic() - started
        print(f"{mutant.patch.stem} by {mutant.scenario} in {seconds:.0f} s: {verdict}", flush=True)
    print(f"{len(wanted) - survivors} of {len(wanted)} mutants were caught")
    return 1 if survivors or not wanted else 0


def _copy(folder: Path) -> None:
    for name in _COPIED:
        if (_ROOT / name).is_dir():
            shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(_ROOT / name, folder / name)


if __name__ == "__main__":
    sys.exit(main())
