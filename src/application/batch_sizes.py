"""How many records of a partition are stored at once: fewer after a time-out, more again after quick successes."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from application.ports import Batch

logger = logging.getLogger(__name__)

_SHRINKAGE = 4
_GROWTH = 2
_QUICK_SHARE = 1 / 3
"""In which part of the time that the larger batch took to fail a batch has to be stored, for a larger one to follow."""
_QUICK_SECONDS = 1.0
"""What is quick at any rate."""


class _Limit(NamedTuple):
    """The bound of one partition, and what has failed since it has one."""

    records: int
    failed_records: int
    failed_seconds: float


class BatchSizes:
    """The bounds of those partitions that have one."""

    def __init__(self) -> None:
        self._limits: dict[int, _Limit] = {}

    def ends(self, batch: Batch) -> Mapping[int, int]:
        """Tell, by partition, from which offset on `batch` is too large for now; partitions that fit are left out."""
        if not self._limits:
            return {}
        counts: Counter[int] = Counter()
        ends: dict[int, int] = {}
        for record in batch.records:
            limit = self._limits.get(record.partition)
            counts[record.partition] += 1
            if limit is not None and counts[record.partition] > limit.records:
                ends.setdefault(record.partition, record.offset)
        return ends

    def shrink(self, batch: Batch, seconds: float) -> None:
        """Have less tried at once of the partitions of `batch`, whose records could not be stored in that time."""
        for partition, count in Counter(record.partition for record in batch.records).items():
            before = self._limits.get(partition, _Limit(count, count, seconds))
            smaller = max(1, count // _SHRINKAGE)
            self._limits[partition] = _Limit(
                smaller, max(count, before.failed_records), max(seconds, before.failed_seconds)
            )
            if smaller < count:
                logger.warning("trying smaller batches", extra={"partition": partition, "records": smaller})

    def grow(self, batch: Batch, seconds: float) -> None:
        """Allow more again, as far as the records of `batch` were stored quickly."""
        for partition in self._limits.keys() & batch.partitions if self._limits else ():
            limit = self._limits[partition]
            if seconds >= max(limit.failed_seconds * _QUICK_SHARE, _QUICK_SECONDS):
                continue
            if limit.records * _GROWTH > limit.failed_records:
                del self._limits[partition]
                logger.info("batches have their usual size again", extra={"partition": partition})
            else:
                self._limits[partition] = limit._replace(records=limit.records * _GROWTH)
