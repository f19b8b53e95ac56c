"""The partitions that the group has given to this consumer: one worker each, from assignment to revocation."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from application.consume.partition_worker import PartitionWorker, Tools
from application.ports import EventSource, Halt
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_CANCEL_LIMIT_SECONDS = 5.0
_NOTICE_SECONDS = 0.2
"""How soon a halt is kept that the source has found."""


class AssignedPartitions:
    """A `RebalanceListener` that starts and ends workers, and resumes the halted ones."""

    def __init__(self, source: EventSource, tools: Tools) -> None:
        self.workers: dict[int, PartitionWorker] = {}
        self._source = source
        self._tools = tools

    @property
    def in_flight(self) -> int:
        """How many records were begun and are not handed over to be committed."""
        return sum(worker.in_flight for worker in self.workers.values())

    @property
    def halted(self) -> Mapping[int, Halt]:
        """The partitions that a person has to resume."""
        halts = {partition: worker.status.halt for partition, worker in self.workers.items()}
        return {**self._source.halted(), **{partition: halt for partition, halt in halts.items() if halt is not None}}

    @property
    def suspected(self) -> Mapping[int, int]:
        """The partitions whose records are taken one by one, each with the offset where that ends at the latest."""
        offsets = {partition: worker.status.suspect_until for partition, worker in self.workers.items()}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        # Some were lost without a word of the source.
        await self.on_lost(self.workers.keys() & positions.keys())
        for partition, claimed in (await self._tools.poison_pills.claim(positions)).items():
            self.workers[partition] = PartitionWorker(partition, claimed, self._tools)

    async def on_revoked(self, partitions: Collection[int]) -> None:
        workers = self._workers_of(partitions)
        try:
            async with asyncio.timeout(self._tools.pace.revocation):
                await self._drain(workers)
        except TimeoutError:
            logger.warning("a rebalance does not wait any longer for in-flight batches")
        finally:
            await self._drop(workers)

    async def on_lost(self, partitions: Collection[int]) -> None:
        await self._drop(self._workers_of(partitions))

    async def drain(self) -> None:
        """Finish and commit what is in flight of all partitions; begin nothing more."""
        await self._drain(list(self.workers.values()))

    async def trust_caught_up(self) -> None:
        """End the suspicion where the log is read to its end: what killed earlier consumers stood before that."""
        with suppress(Unavailable):
            for partition, records in (await self._source.lag()).items():
                if records == 0 and partition in self.workers:
                    self.workers[partition].trust()

    async def watch_halts(self) -> None:
        """Keep the halts that the source finds, and resume what a person has resumed, until cancelled.

        An outage changes nothing.
        """
        now, interval = asyncio.get_running_loop().time, self._tools.pace.look
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
        halted = {partition for partition, worker in self.workers.items() if worker.status.halt is not None}
        if not found and not halted:
            return
        for partition, halt in found.items():
            await self._tools.states.halt(partition, halt)
        for partition in (found.keys() | halted) - (await self._tools.states.halts()).keys():
            logger.warning("halted partition resumed", extra={"partition": partition})
            if partition in found:
                self._source.skip(partition)
            if partition in self.workers:
                self.workers[partition].resume()

    def _workers_of(self, partitions: Collection[int]) -> Sequence[PartitionWorker]:
        return [self.workers[partition] for partition in partitions if partition in self.workers]

    async def _drain(self, workers: Sequence[PartitionWorker]) -> None:
        for worker in workers:
            worker.drain()
        await _ended(workers)
        await self._tools.committer.settled([worker.partition for worker in workers])

    async def _drop(self, workers: Sequence[PartitionWorker]) -> None:
        """End `workers`, unless others have taken their place since."""
        present = [worker for worker in workers if self.workers.get(worker.partition) is worker]
        partitions = [worker.partition for worker in present]
        for worker in present:
            worker.task.cancel()
            del self.workers[worker.partition]
        self._tools.committer.forget(partitions)
        attempts = self._tools.poison_pills.forget(partitions)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_LIMIT_SECONDS):
                await _ended(present)
        await self._tools.poison_pills.release(attempts)


async def _ended(workers: Sequence[PartitionWorker]) -> None:
    if workers:
        await asyncio.wait([worker.task for worker in workers])
