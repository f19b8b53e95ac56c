"""Dead letters in memory."""

from collections.abc import Sequence

from adapters.memory.log import MemoryLog
from adapters.memory.outage import Outage
from adapters.records import dlq_headers
from adapters.records.codec import Headers
from adapters.records.log_record import LogRecord
from application.dead_letters.letters import LetterOrigin
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
        self.kept: dict[LetterOrigin, DeadLetter] = {}
        """In the order of their numbers, which begin with 1."""
        self._causes: dict[LetterOrigin, str | None] = {}

    async def keep(self, letter: DeadLetter, cause: str | None = None) -> int:
        await self._reach()
        record = letter.record
        origin = LetterOrigin(record.topic, record.partition, record.offset, record.timestamp)
        self.kept.setdefault(origin, letter)
        self._causes[origin] = self._causes.get(origin) or cause
        return [*self.kept].index(origin) + 1

    async def headers(self) -> list[Headers]:
        await self._reach()
        return [dlq_headers.render(letter) for letter in self.kept.values()]

    async def find(self, which: int | LetterOrigin) -> LogRecord | None:
        await self._reach()
        numbered = enumerate(self.kept.items(), start=1)
        found = (_record(number, letter) for number, (origin, letter) in numbered if which in (number, origin))
        return next(found, None)

    async def kept_since(self, number: int, limit: int) -> list[LogRecord]:
        await self._reach()
        numbered = enumerate(self.kept.items(), start=1)
        found = [
            _record(each, letter) for each, (origin, letter) in numbered if self._causes[origin] and each >= number
        ]
        return found[:limit]


def _record(number: int, letter: DeadLetter) -> LogRecord:
    record = letter.record
    return LogRecord(record.topic, -1, number, record.timestamp, record.key, record.value, dlq_headers.render(letter))
