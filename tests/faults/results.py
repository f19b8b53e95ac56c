"""The figures of a run, kept in a file, so that a run that was broken off can be continued, and its report."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.faults.evidence import Evidence

FILE = Path(".cache/faults.json")
PASSED = "passed"


@dataclass
class Figures:
    """What one scenario counted."""

    sent: int = 0
    """Attempts of clients, repeated ones too."""
    acknowledged: int = 0
    """Events."""
    stored: int = 0
    dead: int = 0
    duplicates: int = 0
    """Records whose event is in the table by another record."""
    recovery_seconds: float | None = None
    faults: dict[str, float] = field(default_factory=dict)
    """What struck, and how often or how much."""

    def take(self, seen: Evidence) -> None:
        """Count what was seen in the end."""
        stored = {row.id for row in seen.rows}
        self.sent = seen.history.attempts
        self.acknowledged = seen.history.acknowledged
        self.stored = len(seen.rows)
        self.dead = len(seen.letters)
        ids = [event_id for event_id in seen.ids.values() if event_id in stored]
        self.duplicates = len(ids) - len(set(ids))
        self.recovery_seconds = seen.recovery_seconds


@dataclass
class Result:
    """How one scenario ended."""

    outcome: str
    seconds: float
    figures: Figures


@dataclass
class Run:
    """One run of the suite: the same seed and the same code, whichever number of times it was broken off."""

    seed: str
    code: str
    results: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def begin(cls, seed: str) -> Self:
        """Begin anew."""
        return cls(seed, code_version())

    @classmethod
    def unfinished(cls) -> Self | None:
        """Read the run that was broken off, unless the code has changed since."""
        try:
            kept: Mapping[str, Any] = json.loads(FILE.read_text())
            results = {
                name: Result(each["outcome"], each["seconds"], Figures(**each["figures"]))
                for name, each in kept["results"].items()
            }
            run = cls(kept["seed"], kept["code"], results)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return run if run.code == code_version() else None

    def note(self, name: str, result: Result) -> None:
        """Keep a result."""
        self.results[name] = result
        FILE.parent.mkdir(parents=True, exist_ok=True)
        # All or nothing: a run may be broken off at any moment, and then be continued.
        unfinished = FILE.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self), indent=2))
        unfinished.replace(FILE)

    def report(self) -> list[str]:
        """Render a line for each scenario and one for all of them."""
        figures = [result.figures for result in self.results.values()]
        lines = [_line(name, result) for name, result in sorted(self.results.items())]
        failed = sum(result.outcome != PASSED for result in self.results.values())
        total = f"{len(lines)} scenarios, {failed} failed, seed {self.seed}, code {self.code}:"
        counts = ", ".join(
            f"{sum(getattr(each, count) for each in figures)} {count}"
            for count in ("sent", "acknowledged", "stored", "dead", "duplicates")
        )
        return [*lines, f"{total} {counts}, {sum(each.seconds for each in self.results.values()):.0f} s"]


def _line(name: str, result: Result) -> str:
    figures = result.figures
    recovery = "-" if figures.recovery_seconds is None else f"{figures.recovery_seconds:.1f} s"
    struck = "; ".join(f"{what}: {count:g}" for what, count in figures.faults.items())
    return (
        f"{name}: {result.outcome} in {result.seconds:.0f} s, sent {figures.sent}, "
        f"acknowledged {figures.acknowledged}, stored {figures.stored}, dead {figures.dead}, "
        f"duplicates absorbed {figures.duplicates}, recovery {recovery} [{struck}]"
    )


def code_version() -> str:
    """Name the code that is tested, as git does."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
