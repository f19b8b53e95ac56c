"""Publishes events into the embedded log."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.in_flight import InFlight
from adapters.postgres.event_log.record_writer import LogWriter, NewRecord, partition_of
from adapters.postgres.event_log.topics import partition_ids
from adapters.records import codec
from application.ports import Receipt
from domain.errors import Rejected, Unavailable, WrongDeployment
from domain.event import UserEvent

_ASK_AGAIN_SECONDS = 0.2


class PostgresEventPublisher:
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
        self._engine = engine
        self._topic = topic
        self._max_record_bytes = max_record_bytes
        self._deadline = deadline
        self._writer = LogWriter(engine, topic, in_flight)
        self._asking = asyncio.Lock()
        self._missing = ""
        """Why the topic has not been found yet."""

    async def publish(
        self, events: Sequence[UserEvent], traceparent: bytes | None = None
    ) -> list[Receipt | Rejected | Unavailable]:
        drafts = [(codec.encode_key(event), codec.encode(event)) for event in events]
        fits = [len(key) + len(value) <= self._max_record_bytes for key, value in drafts]
        outcomes = iter(
            await self._append(
                [draft for draft, fit in zip(drafts, fits, strict=True) if fit], codec.record_headers(traceparent)
            )
        )
        too_large = Rejected(f"the record is larger than {self._max_record_bytes} bytes")
        return [next(outcomes) if fit else too_large for fit in fits]

    async def ping(self) -> None:
        await partition_ids(self._engine, self._topic)

    async def close(self) -> None:
        """Return when every call has been answered."""
        await self._writer.close()

    async def _append(
        self, drafts: Sequence[tuple[bytes, bytes]], headers: codec.Headers
    ) -> Sequence[Receipt | Unavailable]:
        if not drafts:
            return []
        try:
            async with asyncio.timeout(self._deadline):
                partitions = await self._partitions()
                return await self._writer.append(
                    [NewRecord(partition_of(key, partitions), key, value, headers) for key, value in drafts]
                )
        except Unavailable as unavailable:
            return [unavailable] * len(drafts)
        except TimeoutError:
            cause = self._missing or f"event log: no acknowledgement within {self._deadline:g} s"
            return [Unavailable(cause)] * len(drafts)

    async def _partitions(self) -> int:
        """Wait for the topic: in the first second of a process, the database or the topic may still be missing."""
        # One call asks on behalf of all.
        async with self._asking:
            while True:
                try:
                    partitions = await self._writer.partitions()
                except (Unavailable, WrongDeployment) as error:
                    self._missing = str(error)
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
                else:
                    self._missing = ""
                    return partitions
