"""Notices partitions that wait behind a transaction which another producer has left open.

The brokers show readers of committed records nothing behind its first record before it ends, and count that as the end
of the log: there is no lag, and nothing flows.
"""

import logging
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 10.0
"""How long a transaction may take before it is worth a word."""


class OpenTransactions:
    """Looks at the partitions that a consumer is reading, by what the brokers told with the last records."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._seen: dict[TopicPartition, tuple[int, float]] = {}
        """At which offset a partition waits, and since when by the loop's clock."""
        self.waiting: Mapping[int, int] = {}
        """At which offsets partitions have been waiting for longer than transactions should take."""

    async def look(self, now: float) -> None:
        """Look, and log what has changed; `now` in seconds."""
        found = {tp: await self._open_at(tp) for tp in self._consumer.assignment() - self._consumer.paused()}
        self._seen = {
            tp: self._seen[tp] if tp in self._seen and self._seen[tp][0] == offset else (offset, now)
            for tp, offset in found.items()
            if offset is not None
        }
        waiting = {
            tp.partition: offset for tp, (offset, since) in self._seen.items() if now - since > _PATIENCE_SECONDS
        }
        for partition in waiting.keys() - self.waiting.keys():
            extra = {"partition": partition, "offset": waiting[partition]}
            logger.warning("waiting behind an open transaction", extra=extra)
        for partition in self.waiting.keys() - waiting.keys():
            logger.info("no longer waiting behind an open transaction", extra={"partition": partition})
        self.waiting = waiting

    async def _open_at(self, tp: TopicPartition) -> int | None:
        """Return the offset of an open transaction that all before is read of; None where nothing bars the way."""
        stable, end = self._consumer.last_stable_offset(tp), self._consumer.highwater(tp)
        if stable is None or end is None or not 0 <= stable < end:
            return None
        return stable if await self._consumer.position(tp) >= stable else None
