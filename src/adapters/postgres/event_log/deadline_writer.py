"""Appends records to one topic of the embedded log, within limits of time and size."""

import asyncio
from collections.abc import Sequence
from itertools import compress

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.in_flight import InFlight
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment

_ASK_AGAIN_SECONDS = 0.2


class DeadlineWriter(LogWriter):
    """Base of the publishers; the records of a call that fit stand together or not at all."""

    def __init__(
        self,
        engine: AsyncEngine,
        topic: str,
        *,
        max_record_bytes: int = 1024 * 1024,
        deadline: float = 10.0,
        in_flight: InFlight | None = None,
    ) -> None:
        """`deadline`: after how many seconds a call ends with `Unavailable`; its records may yet appear."""
        super().__init__(engine, topic, in_flight)
        self._max_record_bytes = max_record_bytes
        self._deadline = deadline
        self._asking = asyncio.Lock()
        self._missing = ""
        """Why the topic has not been found yet."""

    async def send(self, records: Sequence[NewRecord]) -> list[Receipt | Rejected | Unavailable]:
        """Append records; answer one outcome each, in order."""
        fits = [len(each.key or b"") + len(each.value or b"") <= self._max_record_bytes for each in records]
        fitting = [*compress(records, fits)]
        outcomes: Sequence[Receipt | Unavailable]
        try:
            async with asyncio.timeout(self._deadline):
                await self._wait_for_topic()
                outcomes = await self.append(fitting)
        except Unavailable as unavailable:
            outcomes = [unavailable] * len(fitting)
        except TimeoutError:
            cause = self._missing or f"event log: no acknowledgement within {self._deadline:g} s"
            outcomes = [Unavailable(cause)] * len(fitting)
        following = iter(outcomes)
        too_large = Rejected(f"the record is larger than {self._max_record_bytes} bytes")
        return [next(following) if fit else too_large for fit in fits]

    async def _wait_for_topic(self) -> None:
        """In the first second of a process, the database or the topic may still be missing."""
        # One call asks on behalf of all.
        async with self._asking:
            while True:
                try:
                    await self.find_topic()
                except (Unavailable, WrongDeployment) as error:
                    self._missing = str(error)
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
                else:
                    self._missing = ""
                    return
