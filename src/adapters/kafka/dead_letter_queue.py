"""Sends dead letters to the dead-letter topic (DLQ)."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from adapters.kafka.producer import Producer, ProducerRecord, Refused
from adapters.records import dlq_families, dlq_headers
from application.ports import OversizeLetters
from domain.dead_letter import DeadLetter
from domain.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

_OVERSIZE_TABLE = b"oversize_letters"


class KafkaDeadLetterQueue:
    """`DeadLetterQueue` over one topic; dead letters that the topic refuses go to `oversize`.

    For a dead letter that is too large, the topic gets a pointer with its headers. For one that is refused for another
    reason it gets none: the topic would refuse the pointer, too.
    """

    def __init__(self, producer: Producer, topic: str, oversize: OversizeLetters) -> None:
        self._producer = producer
        self._topic = topic
        self._oversize = oversize

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        too_large = await self._send([(letter, self._whole(letter)) for letter in letters])
        pointers = [(letter, self._pointer(letter, await self._oversize.keep(letter))) for letter in too_large]
        if pointers and await self._send(pointers):
            raise Unavailable("kafka: the dead letter topic refuses even a letter's headers for their size")

    async def ping(self) -> None:
        # A dead letter that the topic refuses is kept in the database.
        with suppress(Refused):
            await self._producer.ping(self._topic)

    async def _send(self, records: Sequence[tuple[DeadLetter, ProducerRecord]]) -> list[DeadLetter]:
        """Send; keep those that are refused for another reason than their size; return those that are too large."""
        outcomes = await self._producer.send(self._topic, [record for _letter, record in records])
        too_large, refused = [], []
        for (letter, _), outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Refused):
                refused.append((letter, str(outcome)))
            elif isinstance(outcome, Unavailable):
                raise outcome
            elif isinstance(outcome, Rejected):
                too_large.append(letter)
        for letter, cause in refused:
            await self._oversize.keep(letter, cause)
        if refused:
            cause = refused[0][1]
            extra = {"topic": self._topic, "letters": len(refused), "table": "oversize_letters", "cause": cause}
            logger.error("dead letters refused by their topic: kept in the database", extra=extra)
        return too_large

    def _whole(self, letter: DeadLetter) -> ProducerRecord:
        return ProducerRecord(letter.record.key, letter.record.value, dlq_headers.render(letter))

    def _pointer(self, letter: DeadLetter, number: int) -> ProducerRecord:
        ours = [
            (name, value) for name, value in dlq_headers.render(letter) if name.startswith(dlq_families.OURS.prefix)
        ]
        to = [(dlq_headers.OVERSIZE, _OVERSIZE_TABLE), (dlq_headers.OVERSIZE_ID, b"%d" % number)]
        return ProducerRecord(None, None, [*ours, *to])
