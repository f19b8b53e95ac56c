"""What a consumer knows of the partitions in its hands: which are stopped, and which may hold a record that kills."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress

from application.ports import PartitionStates
from application.storm import Storms
from domain.dead_letter import Record
from domain.errors import Unavailable, WrongDeployment
from domain.stop import Stop

logger = logging.getLogger(__name__)

_ATTEMPTS = 2
"""After how many attempts at one position that did not end well records are read one by one."""
_DEATHS = 3
"""After how many deaths with it alone in hand a record is not tried again."""
_END_LIMIT_SECONDS = 2.0


class Custody:
    """A `Custodian` that keeps what has to outlive this consumer in `PartitionStates`."""

    def __init__(self, states: PartitionStates, storms: Storms, *, span: int) -> None:
        """`span`: how many offsets behind a position may have been in hand when a consumer died."""
        self._states = states
        self._storms = storms
        self._span = span
        self._begun: dict[int, int] = {}
        """From where on each partition in our hands was begun."""
        self._attempted: set[int] = set()
        """Those of which records were in flight since."""
        self._attempting = asyncio.Lock()
        self._suspected_until: dict[int, int] = {}
        self._stopped: dict[int, Stop] = {}

    @property
    def stopped(self) -> Mapping[int, Stop]:
        """The partitions that must not be read on, as far as they were in our hands when they were stopped."""
        return self._stopped

    @property
    def is_suspicious(self) -> bool:
        """Whether any partition may hold a record that kills."""
        return bool(self._suspected_until)

    @property
    def suspected(self) -> Mapping[int, int]:
        """The partitions whose records are read one by one, each with the offset where that ends at the latest."""
        return self._suspected_until

    async def begin(self, positions: Mapping[int, int]) -> None:
        states = await self._states.begin(positions)
        self._forget(positions)
        self._begun |= positions
        for partition, state in states.items():
            if state.stop is not None:
                self._stopped[partition] = state.stop
            if state.attempts >= _ATTEMPTS:
                until = self._suspected_until[partition] = positions[partition] + self._span
                logger.warning(
                    "reading record by record: consumers died here before",
                    extra={"partition": partition, "offset": positions[partition], "until": until},
                )

    def has_attempted(self, partitions: AbstractSet[int]) -> bool:
        """Tell whether an attempt at each of `partitions` is counted, so that their records may be looked into."""
        return partitions <= self._attempted

    async def attempt(self, partitions: AbstractSet[int]) -> None:
        """Count an attempt at each of `partitions`, once until they end: their records are in flight, and may kill.

        It means nothing any more once the position has moved. Raises `Unavailable`.
        """
        if self.has_attempted(partitions):
            return
        # Batches are begun side by side, and neither may count twice or go on before it is counted.
        async with self._attempting:
            if new := partitions - self._attempted:
                await self._states.attempt(new)
                self._attempted |= new

    def trust(self, partitions: Iterable[int]) -> None:
        """Suspect no record of `partitions` any more."""
        for partition in partitions:
            if self._suspected_until.pop(partition, None) is not None:
                logger.info("reading in batches again", extra={"partition": partition})

    async def end(self, partitions: Collection[int]) -> None:
        await self._end(partitions)
        self._forget(partitions)

    async def leave(self) -> None:
        """End all partitions well before this process ends, although something of them may be in flight."""
        await self._end(self._begun.keys())

    def is_suspect(self, record: Record) -> bool:
        """Tell whether `record` has to be taken alone, since it may be one that kills."""
        until = self._suspected_until.get(record.partition)
        if until is None:
            return False
        if record.offset >= until:
            self.trust([record.partition])
            return False
        return True

    @asynccontextmanager
    async def in_hand(self, record: Record) -> AsyncIterator[bool]:
        """Keep `record` alone in the marker meanwhile; tells whether to try it, as it has not killed too often yet.

        Raises `Superseded`.
        """
        if await self._states.mark(record.partition, record.offset) >= _DEATHS:
            # It stays marked, and so condemned, should it not be parked at once.
            yield False
            return
        try:
            yield True
        finally:
            with suppress(Unavailable):
                await self._states.unmark(record.partition)

    async def stop(self, partition: int, stop: Stop) -> None:
        """Let nobody read `partition` on, whoever has it next, until a person resumes it."""
        await self._states.stop(partition, stop)
        if self._stopped.get(partition) != stop:
            logger.error("partition stopped", extra={"partition": partition, **stop._asdict()})
        self._stopped[partition] = stop

    async def resumed(self, found: Mapping[int, Stop]) -> Collection[int]:
        """Tell which stopped partitions a person has resumed; `found` are the stops that the source has found."""
        for partition, stop in found.items():
            await self._states.stop(partition, stop)
        standing = await self._states.stops()
        resumed = {*found, *self._stopped} - set(standing)
        for partition in resumed:
            logger.warning("partition resumed", extra={"partition": partition})
            self._stopped.pop(partition, None)
        return resumed

    async def _end(self, partitions: Collection[int]) -> None:
        attempted = self._attempted.intersection(partitions)
        if not attempted:
            return
        self._attempted -= attempted
        try:
            async with asyncio.timeout(_END_LIMIT_SECONDS):
                await self._states.end({each: self._begun[each] for each in attempted})
        except (Unavailable, WrongDeployment, TimeoutError) as error:
            # At worst some records are taken one by one later, for no reason.
            logger.warning("could not note a good end", extra={"partitions": sorted(attempted), "cause": str(error)})

    def _forget(self, partitions: Collection[int]) -> None:
        self._storms.forget(partitions)
        self._attempted.difference_update(partitions)
        for partition in partitions:
            self._begun.pop(partition, None)
            self._stopped.pop(partition, None)
            self._suspected_until.pop(partition, None)
