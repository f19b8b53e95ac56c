"""Keep halts until a person resumes them, whoever has found them: a worker, or the source."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from application.consume.partition_worker import PartitionWorker
from application.ports import EventSource, PartitionStates
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


class HaltWatch:
    """Looks now and then whether halted partitions were resumed."""

    def __init__(self, source: EventSource, states: PartitionStates, workers: Mapping[int, PartitionWorker]) -> None:
        """`workers` are those of the assigned partitions, at any time."""
        self._source = source
        self._states = states
        self._workers = workers

    async def run(self, interval: float) -> None:
        """Look every `interval` seconds until cancelled. An outage changes nothing."""
        while True:
            await asyncio.sleep(interval)
            with suppress(Unavailable):
                await self._look()

    async def _look(self) -> None:
        """Keep what the source has found, and resume what a person has resumed."""
        found = self._source.halted()
        halted = {partition for partition, worker in self._workers.items() if worker.status.halt is not None}
        if not found and not halted:
            return
        for partition, halt in found.items():
            await self._states.halt(partition, halt)
        for partition in (found.keys() | halted) - (await self._states.halts()).keys():
            logger.warning("halted partition resumed", extra={"partition": partition})
            if partition in found:
                self._source.skip(partition)
            if partition in self._workers:
                self._workers[partition].resume()
