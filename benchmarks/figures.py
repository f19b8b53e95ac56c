"""Figures, and how they are made from runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Cpu = Mapping[str, float]
"""Processor seconds, by process."""


@dataclass(frozen=True, slots=True)
class Target:
    """The bound and the aim of a figure, or of its ratio where it has one."""

    reach: float
    aim: float
    better: Literal["higher", "lower"] = "higher"

    def met(self, bound: float, value: float) -> bool:
        """Return whether `value` is as good as `bound`."""
        return value >= bound if self.better == "higher" else value <= bound


@dataclass(frozen=True, slots=True)
class Run:
    """The measurements of one run."""

    value: float
    cpu_seconds: Cpu = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    """Further numbers of the run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the report."""

    key: str
    variant: str
    value: float
    unit: str
    ratio: float | None = None
    limit: float | None = None
    """The value of the limit, in the same unit."""
    runs: tuple[Run, ...] = ()
    limit_runs: tuple[Run, ...] = ()


def of_runs(key: str, variant: str, unit: str, runs: list[Run]) -> Figure:
    """Make a figure without a limit."""
    return Figure(key, variant, median(run.value for run in runs), unit, runs=tuple(runs))


async def compared(
    key: str,
    variant: str,
    unit: str,
    *,
    pairs: int,
    limit: Callable[[], Awaitable[Run]],
    ours: Callable[[], Awaitable[Run]],
    warm_up: bool = False,
) -> Figure:
    """Run both in turn, so that changes on the machine affect both; the ratio is the median of the pairs.

    With `warm_up` the first pair does not count.
    """
    if warm_up:
        await limit()
        await ours()
    runs: list[Run] = []
    limits: list[Run] = []
    for _ in range(pairs):
        limits.append(await limit())
        runs.append(await ours())
    return Figure(
        key,
        variant,
        median(run.value for run in runs),
        unit,
        ratio=median(run.value / beside.value for run, beside in zip(runs, limits, strict=True)),
        limit=median(run.value for run in limits),
        runs=tuple(runs),
        limit_runs=tuple(limits),
    )
