"""The state that all benchmarks of a run share."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.postgres.sessions.database import Database
from benchmarks.backlog import Backlog, make_backlog
from benchmarks.counts import Counts
from benchmarks.events import Variant
from benchmarks.servers import Servers
from benchmarks.service import Kind, Service
from benchmarks.standing import new_standing


@dataclass
class Bench:
    """The servers, the counts, and what one benchmark keeps for the next."""

    servers: Servers
    counts: Counts
    folder: Path
    """For temporary files."""
    peaks_mb: dict[Kind, dict[str, float]] = field(default_factory=dict)
    """The peak memory of each kind of process, by load."""
    _backlogs: dict[tuple[Variant, int, bool, int], Backlog] = field(default_factory=dict)
    _standing: Database | None = None

    async def backlog(self, variant: Variant, *, size: int = 1, copies: bool = False, number: int = 0) -> Backlog:
        """Fill a topic with `size` times the usual records, once for all benchmarks; another `number` has other ids."""
        key = (variant, size, copies, number)
        if key not in self._backlogs:
            records = size * self.counts.events
            say(f"filling a topic with {records} events {variant}")
            self._backlogs[key] = await make_backlog(self.servers.kafka.bootstrap, variant, records, copies=copies)
        return self._backlogs[key]

    async def standing(self) -> Database:
        """Make a database with many rows, once for all benchmarks."""
        if self._standing is None:
            say(f"filling a table with {self.counts.standing_rows} rows")
            self._standing = await new_standing(self.servers, self.counts.standing_rows)
        return self._standing

    def note_peak(self, service: Service, load: str) -> None:
        """Note the peak memory of a process under a load."""
        peaks = self.peaks_mb.setdefault(service.kind, {})
        peaks[load] = max(peaks.get(load, 0.0), service.peak_memory_mb)


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Subtract two readings of the same counters."""
    return {name: after[name] - before[name] for name in before}


def say(text: str) -> None:
    """Print progress to stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
