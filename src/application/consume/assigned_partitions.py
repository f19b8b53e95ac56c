"""The partitions that the group has given to this consumer: one worker each, from assignment to revocation."""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from application.consume.partition_worker import PartitionWorker, Tools

logger = logging.getLogger(__name__)

_CANCEL_LIMIT_SECONDS = 5.0


class AssignedPartitions:
    """A `RebalanceListener` that starts and ends workers."""

    def __init__(self, tools: Tools) -> None:
        self.workers: dict[int, PartitionWorker] = {}
        self._tools = tools
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def in_flight(self) -> int:
        """How many records were begun and are not handed over to be committed."""
        return sum(worker.in_flight for worker in self.workers.values())

    def start_in(self, tasks: asyncio.TaskGroup) -> None:
        """Have workers run in `tasks`; to be called before anything is assigned."""
        self._tasks = tasks

    async def drain(self, partitions: Collection[int] | None = None) -> None:
        """Finish and commit what is in flight of `partitions`, or of all; begin nothing more of them."""
        await self._drain(self._workers_of(self.workers if partitions is None else partitions))

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        assert self._tasks is not None
        if known := self.workers.keys() & positions.keys():
            # Lost without a word of the source.
            await self._drop(self._workers_of(known))
        for partition, claimed in (await self._tools.poison_pills.claim(positions)).items():
            worker = self.workers[partition] = PartitionWorker(partition, claimed, self._tools)
            worker.start(self._tasks)

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
            worker.cancel()
            del self.workers[worker.partition]
        self._tools.committer.forget(partitions)
        attempts = self._tools.poison_pills.forget(partitions)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_LIMIT_SECONDS):
                await _ended(present)
        await self._tools.poison_pills.release(attempts)


async def _ended(workers: Sequence[PartitionWorker]) -> None:
    await asyncio.gather(*(worker.ended() for worker in workers))
