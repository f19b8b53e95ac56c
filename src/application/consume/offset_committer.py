"""Commits what is durable, the offsets of all partitions together, until the log has taken them."""

import asyncio
import logging
from collections.abc import Collection
from typing import NamedTuple

from application.consume.pace import Backoff
from application.ports import EventSource, StaleGeneration
from domain.errors import Unavailable

logger = logging.getLogger(__name__)


class _Pending(NamedTuple):
    """An offset to commit, how many records it covers, and who waits for it."""

    offset: int
    records: int
    committed: asyncio.Future[None]


class OffsetCommitter:
    """Has at most one commit in flight; what becomes durable meanwhile is committed by the next one."""

    def __init__(self, source: EventSource, backoff: Backoff) -> None:
        self._source = source
        self._backoff = backoff
        self._pending: dict[int, _Pending] = {}
        self._wanted = asyncio.Event()
        self.committed = 0
        """How many records were committed so far."""
        self.trouble: str | None = None
        """Why the last commit failed; None where it succeeded."""

    @property
    def waiting(self) -> Collection[int]:
        """The partitions with an offset that is not committed yet."""
        return self._pending.keys()

    @property
    def uncommitted(self) -> int:
        """How many records are durable and not committed yet."""
        return sum(pending.records for pending in self._pending.values())

    def commit(self, partition: int, offset: int, records: int) -> asyncio.Future[None]:
        """Have `offset` committed, which covers `records` since the last one; the future ends once it is.

        A partition has one such future at a time: the next offset is handed over when the last one is committed.
        """
        pending = _Pending(offset, records, asyncio.get_running_loop().create_future())
        self._pending[partition] = pending
        self._wanted.set()
        return pending.committed

    def forget(self, partitions: Collection[int]) -> None:
        """Drop the offsets of partitions that are no longer this member's."""
        for partition in partitions:
            if (pending := self._pending.pop(partition, None)) is not None:
                pending.committed.cancel()

    async def settled(self, partitions: Collection[int]) -> None:
        """Return when nothing of `partitions` waits to be committed."""
        futures = [self._pending[partition].committed for partition in partitions if partition in self._pending]
        if futures:
            await asyncio.wait(futures)

    async def run(self) -> None:
        """Commit until cancelled; then whoever waits for a commit is cancelled too."""
        failures = 0
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                failures = 0 if await self._is_committed() else failures + 1
                if failures:
                    await asyncio.sleep(self._backoff.after(failures))
                    self._wanted.set()
        finally:
            for pending in self._pending.values():
                pending.committed.cancel()

    async def _is_committed(self) -> bool:
        """Commit what is pending; False where it has to be tried again."""
        batch = dict(self._pending)
        if not batch:
            # What failed to be committed was forgotten since.
            self.trouble = None
            return True
        try:
            await self._source.commit({partition: pending.offset for partition, pending in batch.items()})
        except StaleGeneration:
            # The source tells the listener which partitions are lost; the others are committed by the next try.
            logger.info("stale generation: offsets not committed", extra={"partitions": sorted(batch)})
            return False
        except Unavailable as unavailable:
            if self.trouble is None:
                logger.warning("cannot commit offsets", extra={"cause": str(unavailable)})
            self.trouble = str(unavailable)
            return False
        if self.trouble is not None:
            logger.info("committing offsets again")
        self.trouble = None
        for partition, pending in batch.items():
            self.committed += pending.records
            if self._pending.get(partition) is pending:
                del self._pending[partition]
                # Cancelled where whoever waited for it was.
                if not pending.committed.done():
                    pending.committed.set_result(None)
        return True
