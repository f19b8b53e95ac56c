"""Sends dead letters to the embedded log."""

from collections.abc import Sequence

from adapters.postgres.event_log.record_writer import LogWriter, NewRecord
from adapters.records import dlq_headers
from domain.dead_letter import DeadLetter


class PostgresDeadLetterQueue(LogWriter):
    """`DeadLetterQueue` over a topic of the embedded log, which takes letters of any size."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        await self.append(
            [
                NewRecord(letter.record.partition, letter.record.key, letter.record.value, dlq_headers.render(letter))
                for letter in letters
            ]
        )
