"""What the benchmarks find out, and how a figure comes about from runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Cpu = Mapping[str, float]
"""Seconds of the processor, by who used them."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached at least, and what is aimed at; of the ratio where a figure has one."""

    reach: float
    aim: float
    better: Literal["higher", "lower"] = "higher"

    def met(self, bound: float, value: float) -> bool:
        """Tell whether a value is as good as `bound`."""
        return value >= bound if self.better == "higher" else value <= bound


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave."""

    value: float
    cpu_seconds: Cpu = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    """Other numbers that were seen in it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the report."""

    key: str
    variant: str
    value: float
    unit: str
    ratio: float | None = None
    limit: float | None = None
    """What the value is compared with, in the same unit."""
    runs: tuple[Run, ...] = ()
    limit_runs: tuple[Run, ...] = ()


def of_runs(key: str, variant: str, unit: str, runs: list[Run]) -> Figure:
    """Make a figure that is compared with nothing."""
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
    """Run both by turns, so that what changes on the machine meanwhile meets both; the ratio is that of the pairs.

    With `warm_up` a first pair does not count.
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
