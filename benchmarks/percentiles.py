"""Percentiles within the range of the measured values."""

from collections.abc import Sequence
from statistics import quantiles


def percentile(values: Sequence[float], rank: int) -> float:
    """Return the value below which `rank` percent of `values` are."""
    return quantiles(values, n=100, method="inclusive")[rank - 1]
