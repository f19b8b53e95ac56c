"""Keep halts until a person resumes them, whoever has found them: a worker, or the source."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from application.consume.partition_worker import PartitionWorker
from application.ports import EventSource, Halt, PartitionStates
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_NOTICE_SECONDS = 0.2
"""How soon a halt is kept that the source has found."""


class HaltWatch:
    """Looks now and then whether halted partitions were resumed."""

    def __init__(self, source: EventSource, states: PartitionStates, workers: Mapping[int, PartitionWorker]) -> None:
        """`workers` are those of the assigned partitions, at any time."""
        self._source = source
        self._states = states
        self._workers = workers

    async def run(self, interval: float) -> None:
        """Look every `interval` seconds, and as soon as the source has found a halt, until cancelled.

        An outage changes nothing.
        """
        now = asyncio.get_running_loop().time
        kept: Mapping[int, Halt] = {}
        due = now()
        while True:
            found = self._source.halted()
            if found != kept or now() >= due:
                with suppress(Unavailable):
                    await self._look(found)
                    kept, due = found, now() + interval
            await asyncio.sleep(min(interval, _NOTICE_SECONDS))

    async def _look(self, found: Mapping[int, Halt]) -> None:
        """Keep what the source has found, and resume what a person has resumed."""
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
