"""How many records of a partition are stored at once: fewer after a time-out, more again after quick successes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from domain.errors import Declined

logger = logging.getLogger(__name__)

_SHRINKAGE = 4
_GROWTH = 2
_QUICK_SHARE = 1 / 3
"""In which part of the time that the larger batch took to fail a batch has to be stored, for a larger one to follow."""
_QUICK_SECONDS = 1.0
"""What is quick at any rate."""


class _Limit(NamedTuple):
    """How many records at once, and what has failed since there is a limit."""

    records: int
    failed_records: int
    failed_seconds: float


class BatchSize:
    """The bound of one partition, where it has one."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._limit: _Limit | None = None

    def bound(self, records: int) -> int:
        """Return how many of `records` may be tried at once."""
        return records if self._limit is None else min(records, self._limit.records)

    @contextmanager
    def measured(self, records: int) -> Iterator[None]:
        """Learn from whether, and how quickly, that many records are stored meanwhile."""
        began = monotonic()
        try:
            yield
        except Declined:
            self._shrink(records, monotonic() - began)
            raise
        self._grow(monotonic() - began)

    def _shrink(self, records: int, seconds: float) -> None:
        before = self._limit or _Limit(records, records, seconds)
        smaller = max(1, records // _SHRINKAGE)
        self._limit = _Limit(smaller, max(records, before.failed_records), max(seconds, before.failed_seconds))
        if smaller < records:
            logger.warning("trying smaller batches", extra={"partition": self._partition, "records": smaller})

    def _grow(self, seconds: float) -> None:
        limit = self._limit
        if limit is None or seconds >= max(limit.failed_seconds * _QUICK_SHARE, _QUICK_SECONDS):
            return
        if limit.records * _GROWTH > limit.failed_records:
            self._limit = None
            logger.info("batches have their usual size again", extra={"partition": self._partition})
        else:
            self._limit = limit._replace(records=limit.records * _GROWTH)
