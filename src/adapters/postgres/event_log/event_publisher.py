"""Publishes events into the embedded log."""

import asyncio
from collections.abc import Sequence
from itertools import compress
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.in_flight import InFlight
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.records import codec
from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent

_ASK_AGAIN_SECONDS = 0.2


class PostgresEventPublisher(LogWriter):
    """`EventPublisher` over a topic of the embedded log; the events of a call stand together or not at all."""

    def __init__(
        self,
        engine: AsyncEngine,
        topic: str,
        *,
        max_record_bytes: int = 1024 * 1024,
        deadline: float = 10.0,
        in_flight: InFlight | None = None,
    ) -> None:
        """`deadline`: after how many seconds a call ends with `Unavailable`; its events may yet appear."""
        super().__init__(engine, topic, in_flight)
        self._max_record_bytes = max_record_bytes
        self._deadline = deadline
        self._asking = asyncio.Lock()
        self._missing = ""
        """Why the topic has not been found yet."""

    async def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> list[Receipt | Rejected | Unavailable]:
        headers = codec.record_headers(traceparent)
        drafts = [(codec.encode_key(event), codec.encode(event)) for event in events]
        fits = [len(key) + len(value) <= self._max_record_bytes for key, value in drafts]
        records = [NewRecord(crc32(key), key, value, headers) for key, value in compress(drafts, fits)]
        outcomes = iter(await self._send(records))
        too_large = Rejected(f"the record is larger than {self._max_record_bytes} bytes")
        return [next(outcomes) if fit else too_large for fit in fits]

    async def _send(self, records: Sequence[NewRecord]) -> Sequence[Receipt | Unavailable]:
        if not records:
            return []
        try:
            async with asyncio.timeout(self._deadline):
                await self._wait_for_topic()
                return await self.append(records)
        except Unavailable as unavailable:
            return [unavailable] * len(records)
        except TimeoutError:
            cause = self._missing or f"event log: no acknowledgement within {self._deadline:g} s"
            return [Unavailable(cause)] * len(records)

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
