"""Dead letters in memory."""

from collections.abc import Sequence

from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from adapters.records import dlq_headers
from adapters.records.codec import Headers
from domain.dead_letter import DeadLetter


class MemoryDeadLetterQueue(Outage):
    """A `DeadLetterQueue` that is a topic of the log."""

    def __init__(self, log: MemoryLog, topic: str) -> None:
        self._log = log
        self._topic = topic

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        await self._reach()
        for letter in letters:
            self._log.append(self._topic, letter.record.key, letter.record.value, dlq_headers.render(letter))

    async def ping(self) -> None:
        await self._reach()


class MemoryOversizeLetters(Outage):
    """An `OversizeLetters`; `kept` has each letter by its record's topic, partition, offset and timestamp."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int, int, int], DeadLetter] = {}

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> None:
        del cause
        await self._reach()
        record = letter.record
        self.kept.setdefault((record.topic, record.partition, record.offset, record.timestamp), letter)

    async def headers(self) -> list[Headers]:
        await self._reach()
        return [dlq_headers.render(letter) for letter in self.kept.values()]
