"""Parks dead letters in the embedded log."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.postgres.event_log.topics import partition_ids
from adapters.records import dlq_headers
from domain.dead_letter import DeadLetter


class PostgresDeadLetterQueue:
    """`DeadLetterQueue` over a topic of the embedded log, which takes letters of any size."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        self._engine = engine
        self._topic = topic
        self._writer = LogWriter(engine, topic)

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        partitions = await self._writer.partitions()
        await self._writer.append(
            [
                NewRecord(
                    letter.record.partition % partitions,
                    letter.record.key,
                    letter.record.value,
                    dlq_headers.render(letter),
                )
                for letter in letters
            ]
        )

    async def ping(self) -> None:
        await partition_ids(self._engine, self._topic)

    async def close(self) -> None:
        """Return when every call has been answered."""
        await self._writer.close()
