"""Percentiles of what was seen, nothing interpolated beyond it."""

from collections.abc import Sequence
from statistics import quantiles


def percentile(values: Sequence[float], rank: int) -> float:
    """Tell below which value `rank` percent of `values` are."""
    return quantiles(values, n=100, method="inclusive")[rank - 1]
