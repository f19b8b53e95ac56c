"""Partitions that are not read on until a person has looked, and why."""

from enum import StrEnum
from typing import NamedTuple


class HaltKind(StrEnum):
    """Why a partition is halted. The values are stored in databases and printed, so they stay as they were."""

    DLQ_LIMIT = "storm"
    """Too many of its records were dead letters."""
    GAP = "gap"
    """The log no longer has the record that was to be read next."""
    UNREADABLE = "unreadable"
    """The log's client cannot parse the next record."""


class Halt(NamedTuple):
    """A partition is not read on from `offset`; `reason` is one line for a person."""

    kind: HaltKind
    offset: int
    reason: str
