"""Parks dead letters in the embedded log."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters import letter_headers
from adapters.postgres.event_log.topics import partition_ids
from adapters.postgres.event_log.writer import LogWriter, NewRecord
from domain.dead_letter import DeadLetter


class PostgresDeadLetters:
    """`DeadLetters` over a topic of the embedded log, which takes letters of any size."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        self._engine = engine
        self._topic = topic
        self._writer = LogWriter(engine, topic)

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        partitions = await self._writer.partitions()
        await self._writer.append(
            [
                NewRecord(
                    letter.record.partition % partitions,
                    letter.record.key,
                    letter.record.value,
                    letter_headers.render(letter),
                )
                for letter in letters
            ]
        )

    async def ping(self) -> None:
        await partition_ids(self._engine, self._topic)

    async def close(self) -> None:
        """Return when every call has been answered."""
        await self._writer.close()
