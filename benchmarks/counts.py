"""Sizes and durations of a run of the benchmarks."""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes and durations; the defaults are those of the full run."""

    runs: int = 3
    """How often each pair of measurements is repeated."""
    events: int = 500_000
    """Records of a backlog."""
    naive_events: int = 5_000
    """How many of them the plain loop stores."""
    load_seconds: float = 10.0
    """For how long clients send."""
    steady_seconds: float = 60.0
    """For how long clients send at a fixed rate; the warm-up before does not count."""
    steady_warm_up_seconds: float = 5.0
    starts: int = 5
    """How often each process is started."""
    letters: int = 100_000
    """Dead letters that are indexed and replayed."""
    standing_rows: int = 20_000_000
    """Rows of the large table."""
    requests: int = 500
    """For each kind of page."""
    far_page: int = 1_000
    warm_up: bool = True
    """Whether each pair is run once before, smaller and without measuring."""

    @property
    def warm_up_events(self) -> int:
        """Events of a warm-up."""
        return self.events // 10

    def with_given(self, *, runs: int | None, events: int | None) -> Self:
        """Replace the numbers that are given."""
        return replace(self, runs=runs or self.runs, events=events or self.events)


QUICK = Counts(
    runs=1,
    events=20_000,
    naive_events=200,
    load_seconds=1.0,
    steady_seconds=3.0,
    steady_warm_up_seconds=1.0,
    starts=1,
    letters=2_000,
    standing_rows=20_000,
    requests=20,
    far_page=100,
    warm_up=False,
)
"""For the smoke test: it shows that everything runs; its figures mean nothing."""
