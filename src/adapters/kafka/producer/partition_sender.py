"""Sends the batches of a partition one after the other, by the client's public `send_batch`.

The client's own `send` makes a future for each record and waits while a batch is full, which costs more than all else
that publishing an event takes. Here callers append to the last batch of a partition at once, and wait for the batch.
A batch is closed when its turn comes; what is appended meanwhile goes together into the next one.
"""

import asyncio
from collections import deque
from contextvars import Context

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError

from adapters.in_flight import InFlight
from adapters.kafka.producer.record_batches import AppendedRecord, ProducerRecord, RecordBatch
from adapters.kafka.refusals import NotSentError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What the brokers say of a record or of a batch."""


class PartitionSender:
    """One partition's batches in order: the first is on its way, the last takes more records."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, number: int, in_flight: InFlight, context: Context
    ) -> None:
        """Release records from `in_flight` once they are acknowledged or have failed; send in `context`."""
        self.number = number
        self.sending: asyncio.Task[None] | None = None
        """None where there is nothing to send."""
        self._producer = producer
        self._topic = topic
        self._in_flight = in_flight
        self._context = context
        self._batches: deque[RecordBatch] = deque()
        self._failure: BaseException | None = None

    @property
    def unacknowledged(self) -> int:
        """How many records the brokers have not answered for."""
        return sum(batch.records for batch in self._batches)

    def append(self, record: ProducerRecord, size: int, max_bytes: int) -> AppendedRecord:
        """Append a record of `size` bytes without its frame, to be sent behind all others.

        Raises `MessageSizeTooLargeError` where its batch has more than `max_bytes` without any other, and
        `NotSentError` after a batch has failed whose records may be sent again: this record would overtake them.
        """
        if self._failure is not None:
            raise NotSentError(self._failure)
        if self._batches and (index := self._batches[-1].append(record, size)) is not None:
            return self._batches[-1], index
        batch = RecordBatch(self._producer.create_batch())
        batch.append(record, size)
        if (alone := batch.builder.size()) > max_bytes:
            raise MessageSizeTooLargeError(f"{alone} bytes are more than {max_bytes}")
        self._batches.append(batch)
        if self.sending is None:
            self._send()
        return batch, 0

    def _send(self) -> None:
        self.sending = asyncio.get_running_loop().create_task(self._send_all(), context=self._context)
        self.sending.add_done_callback(self._end)

    async def _send_all(self) -> None:
        while self._batches:
            builder = self._batches[0].builder
            builder.close()
            ack = await (await self._producer.send_batch(builder, self._topic, partition=self.number))
            self._pop().answer(ack)

    def _end(self, sending: asyncio.Task[None]) -> None:
        """Fail what was being sent, and all behind it, unless that was a single record refused for its size."""
        self.sending = None
        error = ProducerClosed() if sending.cancelled() else sending.exception()
        if error is not None:
            failed = self._pop()
            failed.answer(None, error)
            # A record that is refused for good is not sent again, so that nothing can overtake it.
            if not (isinstance(error, TOO_LARGE) and failed.records == 1):
                self._failure = error
                while self._batches:
                    self._pop().answer(None, NotSentError(error))
        if self._batches:
            self._send()

    def _pop(self) -> RecordBatch:
        batch = self._batches.popleft()
        self._in_flight.remove(batch.size, batch.records)
        return batch
