"""What all benchmarks of a run share."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.postgres.engine import Database
from benchmarks.backlog import Backlog, make_backlog
from benchmarks.counts import Counts
from benchmarks.events import Variant
from benchmarks.servers import Servers
from benchmarks.service import Kind, Service
from benchmarks.standing import new_standing


@dataclass
class Bench:
    """The servers, how much is to be done, and what is kept from one benchmark to the next."""

    servers: Servers
    counts: Counts
    folder: Path
    """For files that nobody needs afterwards."""
    peaks_mb: dict[Kind, dict[str, float]] = field(default_factory=dict)
    """How much memory the processes had at most, by what they did."""
    _backlogs: dict[tuple[Variant, int, bool, int], Backlog] = field(default_factory=dict)
    _standing: Database | None = None

    async def backlog(self, variant: Variant, *, size: int = 1, copies: bool = False, number: int = 0) -> Backlog:
        """Fill a topic, `size` times as much as usual, once for all that read it; other numbers have other ids."""
        key = (variant, size, copies, number)
        if key not in self._backlogs:
            records = size * self.counts.events
            say(f"filling a topic with {records} events {variant}")
            self._backlogs[key] = await make_backlog(self.servers.kafka.bootstrap, variant, records, copies=copies)
        return self._backlogs[key]

    async def standing(self) -> Database:
        """Make a database with many rows, once for all that use it."""
        if self._standing is None:
            say(f"filling a table with {self.counts.standing_rows} rows")
            self._standing = await new_standing(self.servers, self.counts.standing_rows)
        return self._standing

    def note_peak(self, service: Service, load: str) -> None:
        """Keep how much memory a process had under a load."""
        peaks = self.peaks_mb.setdefault(service.kind, {})
        peaks[load] = max(peaks.get(load, 0.0), service.peak_memory_mb)


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Tell what was used in between."""
    return {name: after[name] - before[name] for name in before}


def say(text: str) -> None:
    """Tell the progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
