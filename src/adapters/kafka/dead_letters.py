"""Park records in the dead letter topic."""

from collections.abc import Sequence

from adapters import letter_headers
from adapters.kafka.producer import Producer
from adapters.kafka.record_batches import Outgoing
from application.ports import OversizeLetters
from domain.dead_letter import DeadLetter
from domain.errors import Rejected, Unavailable

_OVERSIZE_HEADER = ("dlq.oversize", b"oversize_letters")
"""Says in which table the letter stands whole."""


class KafkaDeadLetters:
    """`DeadLetters` over one topic; what the topic refuses for its size goes to `oversize`, with a pointer to it."""

    def __init__(self, producer: Producer, topic: str, oversize: OversizeLetters) -> None:
        self._producer = producer
        self._topic = topic
        self._oversize = oversize

    async def park(self, letters: Sequence[DeadLetter]) -> None:
        refused = await self._send([(letter, self._whole(letter)) for letter in letters])
        for letter in refused:
            await self._oversize.keep(letter)
        if refused and await self._send([(letter, self._pointer(letter)) for letter in refused]):
            raise Unavailable("kafka: the dead letter topic refuses even a letter's headers for their size")

    async def ping(self) -> None:
        await self._producer.ping(self._topic)

    async def _send(self, outgoing: Sequence[tuple[DeadLetter, Outgoing]]) -> list[DeadLetter]:
        """Send, and answer the letters that were refused for their size."""
        outcomes = await self._producer.send(self._topic, [record for _letter, record in outgoing])
        for outcome in outcomes:
            if isinstance(outcome, Unavailable):
                raise outcome
        return [
            letter for (letter, _), outcome in zip(outgoing, outcomes, strict=True) if isinstance(outcome, Rejected)
        ]

    def _whole(self, letter: DeadLetter) -> Outgoing:
        return Outgoing(letter.record.key, letter.record.value, letter_headers.render(letter))

    def _pointer(self, letter: DeadLetter) -> Outgoing:
        ours = [(name, value) for name, value in letter_headers.render(letter) if name.startswith("dlq.")]
        return Outgoing(None, None, [*ours, _OVERSIZE_HEADER])
