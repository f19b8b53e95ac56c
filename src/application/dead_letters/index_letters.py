"""Keeps the index of dead letters up to date."""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from time import monotonic

from application.consume.pace import Backoff
from application.dead_letters.letter_records import LetterRecords
from application.ports import DeadLetterIndex, EventSource, StaleGeneration
from application.stopping import finishing, pause
from domain.dead_letter import Record
from domain.errors import Unavailable

logger = logging.getLogger(__name__)

_POLL_RECORDS = 2_000
_POLL_SECONDS = 0.5
"""Bounds how late a stop is noticed."""
_FINISH_SECONDS = 10.0
"""How long what is in flight may go on after a stop; what is abandoned is read again."""
_KEPT_SECONDS = 10.0
"""How often to look for letters of which the DLQ knows nothing."""
_KEPT_ROUNDS = 6
"""In how many rounds a number is looked for again: it may appear later than a higher one."""


class IndexLetters:
    """Reads the DLQ as a member of a group, and commits what the index has noted: it may be noted again, never missed.

    A `RebalanceListener` of its source.
    """

    def __init__(
        self,
        source: EventSource,
        index: DeadLetterIndex,
        records: LetterRecords,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self._source = source
        self._index = index
        self._records = records
        self._backoff = backoff or Backoff()
        self._assigned: set[int] = set()
        self._polled: dict[int, Sequence[Record]] = {}
        """What the index has not noted yet; it stays here while that fails."""
        self._noted: dict[int, int] = {}
        """The offsets to be committed."""
        self._kept_from = deque([0], maxlen=_KEPT_ROUNDS)
        """After which numbers the last rounds ended."""
        self._kept_due = 0.0
        self._trouble: str | None = None
        source.subscribe(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; an outage is waited for. Raises `WrongDeployment`, and may be run again after that."""
        try:
            async with finishing(stop, _FINISH_SECONDS) as limit:
                await self._run(stop)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("shutdown timeout: abandoning dead letters", extra={"seconds": _FINISH_SECONDS})

    async def on_assigned(self, positions: Mapping[int, int]) -> None:
        self._assigned |= positions.keys()

    async def on_revoked(self, partitions: Collection[int]) -> None:
        await self.on_lost(partitions)

    async def on_lost(self, partitions: Collection[int]) -> None:
        self._assigned -= {*partitions}
        for partition in partitions:
            self._polled.pop(partition, None)
            self._noted.pop(partition, None)

    async def _run(self, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                await self._turn()
            except Unavailable as unavailable:
                failures += 1
                if self._trouble is None:
                    logger.warning("cannot index dead letters at present", extra={"cause": str(unavailable)})
                self._trouble = str(unavailable)
                await pause(self._backoff.after(failures), stop)
                continue
            if self._trouble is not None:
                logger.info("indexing dead letters again", extra={"failures": failures})
            self._trouble, failures = None, 0

    async def _turn(self) -> None:
        await self._poll()
        if monotonic() >= self._kept_due:
            await self._note_kept()
            self._kept_due = monotonic() + _KEPT_SECONDS
        await self._note_polled()
        await self._commit()

    async def _poll(self) -> None:
        """Read on; while something waits to be noted nothing is, but the group sees that this member is alive."""
        wait = 0.0 if self._polled else _POLL_SECONDS
        polled = await self._source.poll(_POLL_RECORDS, wait, paused=[*self._assigned] if self._polled else ())
        for partition, records in polled.items():
            self._polled[partition] = [*self._polled.get(partition, ()), *records]
        for partition, halt in self._source.halted().items():
            extra = {"partition": partition, "offset": halt.offset, "cause": halt.reason}
            logger.error("dead letters skipped: the DLQ cannot be read there", extra=extra)
            self._source.skip(partition)

    async def _note_polled(self) -> None:
        polled = dict(self._polled)
        async with aclosing(self._records.batches(chain(*polled.values()))) as batches:
            async for batch in batches:
                await self._index.note(batch)
        for partition, records in polled.items():
            # Lost meanwhile, or even assigned anew.
            if self._polled.get(partition) is records:
                del self._polled[partition]
                self._noted[partition] = records[-1].offset + 1

    async def _note_kept(self) -> None:
        following = self._kept_from[-1]
        async with aclosing(self._records.without_pointers(self._kept_from[0])) as batches:
            async for batch in batches:
                await self._index.note(batch)
                following = max(following, batch[-1].dlq_offset + 1)
        self._kept_from.append(following)

    async def _commit(self) -> None:
        noted = dict(self._noted)
        if not noted:
            return
        try:
            await self._source.commit(noted)
        except StaleGeneration:
            # The next poll tells which partitions are lost; the others are committed after it.
            logger.info("stale generation: offsets of the DLQ not committed", extra={"partitions": sorted(noted)})
            return
        for partition, offset in noted.items():
            if self._noted.get(partition) == offset:
                del self._noted[partition]
