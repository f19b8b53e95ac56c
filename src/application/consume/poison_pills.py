"""The way to a record that kills the process, see `docs/adr/0008-poison-pills-are-found-by-counting-crashes.md`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from application.ports import Halt, PartitionStates
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment

logger = logging.getLogger(__name__)

_ATTEMPTS = 2
"""After how many attempts at one position that did not end well records are read one by one."""
_CRASHES = 3
"""After how many crashes with it alone in flight a record is not tried again."""
_RELEASE_LIMIT_SECONDS = 2.0


class Claimed(NamedTuple):
    """The state in which earlier owners have left a partition."""

    halt: Halt | None
    suspect_until: int | None
    """The offset before which each record may be a poison pill; None where none is suspected."""


class PoisonPills:
    """Counts attempts and crashes in `PartitionStates`, where they outlive this process."""

    def __init__(self, states: PartitionStates, *, reach: int) -> None:
        """`reach`: how many offsets from its position on a consumer may have had in flight when it died."""
        self._states = states
        self._reach = reach
        self._positions: dict[int, int] = {}
        """Where each own partition was claimed."""
        self._attempted: set[int] = set()
        """The own partitions of which records have been in flight."""

    async def claim(self, positions: Mapping[int, int]) -> Mapping[int, Claimed]:
        """Take over partitions at their positions. Raises `Unavailable`."""
        states = await self._states.begin(positions)
        self._positions |= positions
        claimed = {}
        for partition, state in states.items():
            until = positions[partition] + self._reach if state.attempts >= _ATTEMPTS else None
            claimed[partition] = Claimed(state.halt, until)
            if until is not None:
                logger.warning(
                    "reading record by record: consumers died here before",
                    extra={"partition": partition, "offset": positions[partition], "until": until},
                )
        return claimed

    async def count_attempt(self, partition: int) -> None:
        """Count an attempt once, before the first record of `partition` is in flight. Raises `Unavailable`.

        The count loses its meaning as soon as the position has moved.
        """
        if partition not in self._attempted:
            await self._states.attempt([partition])
            self._attempted.add(partition)

    @asynccontextmanager
    async def alone(self, record: Record) -> AsyncIterator[bool]:
        """Mark `record` as the only one in flight meanwhile; False if it has killed too often to be tried again.

        Raises `StaleGeneration` and `Unavailable`.
        """
        if await self._states.mark(record.partition, record.offset) >= _CRASHES:
            # It stays marked, and so condemned, until its position is passed.
            yield False
            return
        try:
            yield True
        finally:
            with suppress(Unavailable):
                await self._states.unmark(record.partition)

    def forget(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Own partitions no longer; return the attempts at them, by partition the position, for `release`."""
        attempts = {partition: self._positions[partition] for partition in self._attempted.intersection(partitions)}
        self._attempted.difference_update(partitions)
        return attempts

    async def release(self, attempts: Mapping[int, int]) -> None:
        """Take attempts back: this process lives. Never raises."""
        if not attempts:
            return
        try:
            async with asyncio.timeout(_RELEASE_LIMIT_SECONDS):
                await self._states.end(attempts)
        except (Unavailable, WrongDeployment, TimeoutError) as error:
            # At worst some records are taken one by one later, for no reason.
            logger.warning(
                "could not record the clean release of partitions",
                extra={"partitions": sorted(attempts), "cause": str(error)},
            )
