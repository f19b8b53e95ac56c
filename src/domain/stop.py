"""Partitions that are not read on until a person has looked, and why."""

from enum import StrEnum
from typing import NamedTuple


class StopKind(StrEnum):
    """Why a partition is not read on until a person has looked."""

    STORM = "storm"
    """Too many of its records were dead letters."""
    GAP = "gap"
    """The log no longer has the record that was to be read next."""
    UNREADABLE = "unreadable"
    """The log's client cannot take the next record apart."""


class Stop(NamedTuple):
    """A partition is not read on from `offset`; `reason` is one line for a person."""

    kind: StopKind
    offset: int
    reason: str
